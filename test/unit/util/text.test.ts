import { describe, expect, test } from "vitest";
import { snakeToCamel, snakeToKebab } from "../../../src/util/case.ts";
import { describe as describeValue, oneOf, quote } from "../../../src/util/describe.ts";
import { globToRegExp, isGlob } from "../../../src/util/glob.ts";
import { nearest } from "../../../src/util/nearest.ts";

describe("the nearest known word", () => {
  const known = ["listen", "limits", "log", "stop_timeout", "stop_signal", "idle_timeout"];

  test.each([
    ["listn", "listen"],
    ["lisetn", "listen"],
    ["Listen", "listen"],
    ["stop-timeout", "stop_timeout"],
    ["StopTimeout", "stop_timeout"],
    ["limit", "limits"],
    ["idel_timeuot", "idle_timeout"],
    ["lgo", "log"],
  ])("%s: %s", (word, expected) => {
    expect(nearest(word, known)).toBe(expected);
  });

  test.each(["", "x", "port", "completely_else", "abcdefghijklmnopqrstuvwxyz".repeat(50)])(
    "%s: none",
    (word) => {
      expect(nearest(word, known)).toBeNull();
    },
  );
});

describe("file name patterns", () => {
  test.each([
    ["*.toml", "a.toml", true],
    ["*.toml", ".toml", false],
    ["*.toml", ".a.toml", false],
    ["*.toml", "a.toml~", false],
    ["*.toml", "atoml", false],
    [".*.toml", ".a.toml", true],
    ["?.toml", "a.toml", true],
    ["?.toml", "ab.toml", false],
    ["[0-9]*", "10-ssh", true],
    ["[!0-9]*", "10-ssh", false],
    ["[]]", "]", true],
    ["[z-a]x", "bx", false],
    ["[", "[", true],
    ["a+(b).c", "a+(b).c", true],
    ["a^$b", "a^$b", true],
  ])("%s on %s: %s", (pattern, name, matches) => {
    expect(globToRegExp(pattern).test(name)).toBe(matches);
  });

  test("what is one", () => {
    expect(["*.toml", "a?", "[ab]"].every(isGlob)).toBe(true);
    expect(["a.toml", "a]b", ""].some(isGlob)).toBe(false);
  });
});

describe("the spellings of a key", () => {
  test.each([
    ["listen", "listen", "listen"],
    ["stop_timeout", "stopTimeout", "stop-timeout"],
    ["no_new_privileges", "noNewPrivileges", "no-new-privileges"],
    ["v6only", "v6only", "v6only"],
  ])("%s, %s, %s", (snake, camel, kebab) => {
    expect([snakeToCamel(snake), snakeToKebab(snake)]).toEqual([camel, kebab]);
  });
});

describe("values in a reader's words", () => {
  test.each([
    ["text", '"text"'],
    ['a "b"\n', String.raw`"a \"b\"\n"`],
    ["x".repeat(50), `"${"x".repeat(40)}..."`],
    [12, "12"],
    [true, "true"],
    [[], "an empty list"],
    [[1], "a list"],
    [{}, "a table"],
    [new Date(0), "a date"],
    [undefined, "nothing"],
  ])("%j", (value, words) => {
    expect(describeValue(value)).toBe(words);
  });

  test("lists of words", () => {
    expect(oneOf(["a"])).toBe('"a"');
    expect(oneOf(["a", "b", "c"])).toBe('"a", "b" or "c"');
    expect(quote("\u001b[31m")).toBe(String.raw`"\u001b[31m"`);
  });
});
