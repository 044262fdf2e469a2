import { describe, expect, test } from "vitest";
import { formatProblem, type Problem, sortProblems, wholeFile } from "../../../src/config/problem.ts";

const problem = (
  file: string,
  line: number,
  column: number,
  message = "m",
  hint: string | null = null,
): Problem => ({
  position: { file, line, column },
  message,
  hint,
  service: null,
  key: null,
});

describe("a problem is one line", () => {
  test.each([
    [problem("/a.toml", 3, 7, "it is wrong"), "/a.toml:3:7: it is wrong"],
    [problem("/a.toml", 3, 7, "it is wrong", "do right"), "/a.toml:3:7: it is wrong; do right"],
    [{ ...problem("", 0, 0), position: wholeFile("command line") }, "command line: m"],
    [problem("/a.toml", 1, 1, "\u001b[31m\n\u0085"), String.raw`/a.toml:1:1: \u001b[31m\u000a\u0085`],
  ])("%j", (what, line) => {
    expect(formatProblem(what)).toBe(line);
  });
});

test("problems come in the order of reading, and of the text", () => {
  const [a, b, c, d, e] = [
    problem("/main", 0, 0),
    problem("/main", 2, 1),
    problem("/main", 2, 5),
    problem("/included", 1, 1),
    problem("/never read", 0, 0),
  ];
  expect(
    sortProblems(
      [e, d, c, b, a].map((each) => each ?? problem("", 0, 0)),
      ["/main", "/included"],
    ),
  ).toEqual([a, b, c, d, e]);
});
