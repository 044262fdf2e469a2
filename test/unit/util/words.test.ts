import { describe, expect, test } from "vitest";
import { err, ok } from "../../../src/util/result.ts";
import { splitWords } from "../../../src/util/words.ts";

describe("splitting a command as a shell does", () => {
  test.each([
    ["", []],
    ["   ", []],
    ["cat", ["cat"]],
    [" /usr/sbin/sshd   -i ", ["/usr/sbin/sshd", "-i"]],
    ["a\tb\nc", ["a", "b", "c"]],
    [`echo 'a b' "c d"`, ["echo", "a b", "c d"]],
    [`a'b'"c"d`, ["abcd"]],
    [`'' ""`, ["", ""]],
    [String.raw`a\ b \" \\`, ["a b", '"', "\\"]],
    [String.raw`"\"\\\$\a"`, [String.raw`"\$\a`]],
    [String.raw`'\n'`, [String.raw`\n`]],
    [`$HOME *.c | ; > & #x`, ["$HOME", "*.c", "|", ";", ">", "&", "#x"]],
  ])("%j", (text, words) => {
    expect(splitWords(text)).toEqual(ok(words));
  });

  test.each([
    ["'a", "a single quote is not closed"],
    ['a "b', "a double quote is not closed"],
    ['"a\\"', "a double quote is not closed"],
    ["a\\", "it ends with a backslash"],
  ])("%j: %s", (text, reason) => {
    expect(splitWords(text)).toEqual(err(reason));
  });
});
