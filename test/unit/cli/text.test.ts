import { expect, test } from "vitest";
import { ageText, bytesText, countText, cpuText, plural, sinceText } from "../../../src/cli/text.ts";

test.each([
  [null, "-"],
  [-5, "0s"],
  [999, "0s"],
  [1000, "1s"],
  [59_999, "59s"],
  [60_000, "1m00s"],
  [312_000, "5m12s"],
  [3_600_000, "1h00m"],
  [7_500_000, "2h05m"],
  [86_400_000 * 3 + 3_600_000 * 4, "3d04h"],
  [86_400_000 * 400, "400d00h"],
])("an age of %j ms is %s", (milliseconds, text) => {
  expect(ageText(milliseconds)).toBe(text);
});

test.each([
  [null, "-"],
  [0, "0"],
  [999, "999"],
  [1000, "1.0K"],
  [1024, "1.0K"],
  [1536, "1.5K"],
  [10_188, "9.9K"],
  [10_240, "10K"],
  [1_022_976, "999K"],
  [1_023_488, "1.0M"],
  [5 * 1024 ** 3, "5.0G"],
  [3000 * 1024 ** 5, "3000P"],
])("%j bytes are %s", (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

test("processor time is exact as long as it is short", () => {
  expect([null, 0, 1234, 59_990, 60_000].map(cpuText)).toEqual(["-", "0.00s", "1.23s", "59.99s", "1m00s"]);
});

test("moments, counts, words", () => {
  expect(sinceText("2026-01-01T00:00:00.000Z", Date.UTC(2026, 0, 1, 0, 0, 5))).toBe("5s");
  expect(sinceText(null, 0)).toBe("-");
  expect([countText(null), countText(3)]).toEqual(["-", "3"]);
  expect([plural(0, "start"), plural(1, "start"), plural(2, "start")]).toEqual([
    "0 starts",
    "1 start",
    "2 starts",
  ]);
});
