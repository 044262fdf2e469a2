import { describe, expect, test } from "vitest";
import { parseToml, parseTomlValue } from "../../../src/config/file.ts";
import { formatProblem } from "../../../src/config/problem.ts";

function lines(text: string): string[] {
  const parsed = parseToml("t.toml", text);
  return (parsed.ok ? parsed.value.problems : parsed.error).map(formatProblem);
}

describe("errors of the syntax", () => {
  test.each([
    ["user = root", 't.toml:1:8: syntax error: unexpected "r"; texts need quotes: "root"'],
    ["a = 1\nlisten = /run/x", 't.toml:2:10: syntax error: unexpected "/"; texts need quotes: "/run/x"'],
    ["timeout = 5s", 't.toml:1:12: syntax error: unexpected "s"; texts need quotes: "5s"'],
    [
      "umask = 022",
      't.toml:1:12: syntax error: the file ends too early; no number begins with 0; permission bits are a text: "022"',
    ],
    ["enabled = yes", 't.toml:1:11: syntax error: unexpected "y"; booleans are true and false'],
    ["a = \nb = 1", "t.toml:1:5: syntax error: the line ends too early; a value is missing"],
    ["a = [1, 2", "t.toml:1:10: syntax error: the file ends too early"],
    ['a = "x\n', "t.toml:1:7: syntax error: the line ends too early"],
    ["[services.ssh\n", "t.toml:1:14: syntax error: the line ends too early; a table is opened by [NAME]"],
    ["listen 7000", 't.toml:1:8: syntax error: unexpected "7"; a line is KEY = VALUE or [TABLE]'],
    ["a = 2024-13-01", "t.toml:1:5: invalid date: month 13 out of range"],
    ['a = "\\q"', "t.toml:1:6: invalid escape sequence"],
    [
      "a = 9999999999999999999",
      "t.toml:1:5: integer 9999999999999999999 is outside the 64-bit signed integer range required by TOML",
    ],
  ])("%j", (text, line) => {
    expect(lines(text)).toEqual([line]);
  });
});

describe("what is defined twice", () => {
  test.each([
    ["a = 1\na = 2", ["t.toml:2:1: a is already declared in line 1"]],
    [
      "[services.x]\na = 1\n[services.y]\n[services.x]\na = 2\nb = 3",
      ['t.toml:4:1: service "x" is already declared in line 1'],
    ],
    [
      "[services.x]\nlisten = 1\nuser = 'a'\nlisten = 2",
      ["t.toml:4:1: services.x.listen is already declared in line 2"],
    ],
    [
      "a = 1\na = 2\na = 3\n[b]\n[b]",
      [
        "t.toml:2:1: a is already declared in line 1",
        "t.toml:3:1: a is already declared in line 1",
        "t.toml:5:1: b is already declared in line 4",
      ],
    ],
    [
      "a = { b = 1, b = 2 }\nc = 1\nc = 2",
      ["t.toml:1:14: cannot redefine existing key 'b'", "t.toml:3:1: c is already declared in line 2"],
    ],
    ["a = 1\na.b = 2", ["t.toml:2:1: cannot redefine existing key 'a'"]],
  ])("%j", (text, expected) => {
    expect(lines(text)).toEqual(expected);
  });

  test("the first one counts, and the rest of the file is read", () => {
    const parsed = parseToml("t.toml", "a = 1\na = 2\n[t]\nb = 3");
    expect(parsed.ok && parsed.value.table.values).toEqual({ a: 1, t: { b: 3 } });
  });

  test("a file of nothing else is given up", () => {
    expect(lines("a = 1\n".repeat(100)).length).toBe(21);
  });
});

describe("positions", () => {
  const text = `top = 1
[services.ssh]
  listen = [7000, { address = "x", mode = "0600" },
            "third"]
limits.core = "0"
limits.nofile = 5
[services.ssh.environment]
A = "ü" # the column counts UTF-16 units
["services"."f.x"]
user = "u"
[[list]]
[[list]]
k = 1
`;
  const parsed = parseToml("t.toml", text);
  if (!parsed.ok) throw new Error("it should parse");
  const { table, service } = parsed.value;

  test.each<[string[], "key" | "value", number, number]>([
    [["top"], "key", 1, 1],
    [["top"], "value", 1, 7],
    [["services", "ssh"], "key", 2, 1],
    [["services", "ssh", "listen"], "key", 3, 3],
    [["services", "ssh", "listen"], "value", 3, 12],
    [["services", "ssh", "listen", "0"], "value", 3, 13],
    [["services", "ssh", "listen", "1", "mode"], "key", 3, 36],
    [["services", "ssh", "listen", "1", "mode"], "value", 3, 43],
    [["services", "ssh", "listen", "2"], "value", 4, 13],
    [["services", "ssh", "limits", "nofile"], "value", 6, 17],
    [["services", "ssh", "environment", "A"], "value", 8, 5],
    [["services", "f.x", "user"], "value", 10, 8],
    [["list", "1", "k"], "value", 13, 5],
    [["services", "ssh", "listen", "7", "no"], "value", 3, 12],
    [["nothing"], "key", 1, 1],
  ])("%j %s at %d:%d", (path, part, line, column) => {
    expect(table.at(path, part)).toEqual({ file: "t.toml", line, column });
  });

  test("of a service, all keys two levels deep", () => {
    const positions = service("ssh", {}).keyPositions();
    expect(Object.keys(positions)).toEqual([
      "listen",
      "listen.0",
      "listen.1",
      "listen.2",
      "limits",
      "limits.core",
      "limits.nofile",
      "environment",
      "environment.A",
    ]);
    expect(positions["limits.nofile"]).toEqual({ file: "t.toml", line: 6, column: 17 });
  });
});

describe("one value alone", () => {
  test.each([
    ["5", 5],
    ["true", true],
    ["[1, 'a']", [1, "a"]],
    ["{ a = 1 }", { a: 1 }],
  ])("%s", (text, value) => {
    expect(parseTomlValue(text)?.value).toEqual(value);
  });

  test.each(["", "x", "{", "1\nb = 2", "{ a = 1, a = 2 }"])("%j is none", (text) => {
    expect(parseTomlValue(text)).toBeNull();
  });
});
