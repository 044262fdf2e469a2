/** The text for Prometheus, as its documentation of the format has it. */
import { expect, test } from "vitest";
import { formatFamily } from "../../../src/control/exposition.ts";
import { newHistogram, observe } from "../../../src/util/histogram.ts";

const family = { name: "a_total", type: "counter", help: "How many.", labels: [] } as const;

test("a number without labels", () => {
  expect(formatFamily(family, [[[], 3]])).toBe(
    "# HELP a_total How many.\n# TYPE a_total counter\na_total 3\n",
  );
});

test("labels in the order of the family, samples in the order given", () => {
  const labelled = { ...family, labels: ["service", "reason"] };
  const text = formatFamily(labelled, [
    [["ssh", "limit"], 1],
    [["db", "rate"], 2.5],
  ]);
  expect(text.split("\n").slice(2)).toEqual([
    'a_total{service="ssh",reason="limit"} 1',
    'a_total{service="db",reason="rate"} 2.5',
    "",
  ]);
});

test.each([
  ['quo"te', 'quo\\"te'],
  ["back\\slash", "back\\\\slash"],
  ["two\nlines", "two\\nlines"],
  ['all\\"\n', 'all\\\\\\"\\n'],
])("what a label holds cannot end it: %j", (value, escaped) => {
  const text = formatFamily({ ...family, labels: ["service"] }, [[[value], 1]]);
  expect(text.split("\n").at(-2)).toBe(`a_total{service="${escaped}"} 1`);
});

test("help stays on its line, and its quotes are as they are", () => {
  const [help] = formatFamily({ ...family, help: 'a "b"\nc\\d' }, [[[], 0]]).split("\n");
  expect(help).toBe('# HELP a_total a "b"\\nc\\\\d');
});

test("nothing is said of what has no samples", () => {
  expect(formatFamily(family, [])).toBe("");
});

test("a histogram counts everything up to each bound, and a value on a bound belongs below", () => {
  const histogram = newHistogram([0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 7]) observe(histogram, value);
  const text = formatFamily({ ...family, name: "a_seconds", type: "histogram", labels: ["service"] }, [
    [["ssh"], histogram],
  ]);
  expect(text.split("\n").slice(1)).toEqual([
    "# TYPE a_seconds histogram",
    'a_seconds_bucket{service="ssh",le="0.1"} 2',
    'a_seconds_bucket{service="ssh",le="1"} 3',
    'a_seconds_bucket{service="ssh",le="+Inf"} 4',
    'a_seconds_sum{service="ssh"} 7.65',
    'a_seconds_count{service="ssh"} 4',
    "",
  ]);
});
