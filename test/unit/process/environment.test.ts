import { describe, expect, test } from "vitest";
import {
  buildEnvironment,
  chosenNames,
  type EnvironmentSources,
  parseEnvironmentFile,
} from "../../../src/process/environment.ts";

const sources: EnvironmentSources = {
  service: "web",
  user: { name: "www", home: "/srv", shell: "/bin/sh" },
  handoff: [],
  passed: [],
  files: [],
  declared: {},
};

test("is built from nothing", () => {
  expect(Object.fromEntries(buildEnvironment(sources))).toEqual({
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    TINETD_SERVICE: "web",
    USER: "www",
    HOME: "/srv",
    LOGNAME: "www",
    SHELL: "/bin/sh",
  });
});

test("later sources win: the handoff's, passed ones, files in order, declared ones", () => {
  const built = buildEnvironment({
    ...sources,
    handoff: [["A", "handoff"]],
    passed: [
      ["A", "passed"],
      ["B", "passed"],
    ],
    files: [
      [
        ["B", "file 1"],
        ["C", "file 1"],
      ],
      [["C", "file 2"]],
    ],
    declared: { D: "declared", PATH: "/bin" },
  });
  expect([built.get("A"), built.get("B"), built.get("C"), built.get("D"), built.get("PATH")]).toEqual([
    "passed",
    "file 1",
    "file 2",
    "declared",
    "/bin",
  ]);
});

test("chosen are those that the service names, not ours", () => {
  const names = chosenNames({
    ...sources,
    handoff: [["A", "1"]],
    passed: [["B", "1"]],
    declared: { C: "1" },
  });
  expect([...names]).toEqual(["B", "C"]);
});

describe("an environment file", () => {
  test.each([
    [
      "A=1\nB=two words\n",
      [
        ["A", "1"],
        ["B", "two words"],
      ],
    ],
    ["# c\n; c\n\n  A=1  \n", [["A", "1"]]],
    ['A="a \\"b\\" \\$c"\n', [["A", 'a "b" $c']]],
    ["A='a \\n'\n", [["A", "a \\n"]]],
    ["A=one\\\n two\n", [["A", "one two"]]],
    [
      "A=\r\nB=2\r\n",
      [
        ["A", ""],
        ["B", "2"],
      ],
    ],
  ])("%j", (text, expected) => {
    expect(parseEnvironmentFile(text)).toEqual({ ok: true, value: expected });
  });

  test.each([
    ["A=1\nexport B=2\n", 2],
    ["1A=1\n", 1],
    ['A="x\n', 1],
    ['A="\n', 1],
  ])("%j is refused at line %i", (text, line) => {
    expect(parseEnvironmentFile(text)).toMatchObject({ ok: false, error: { line } });
  });
});
