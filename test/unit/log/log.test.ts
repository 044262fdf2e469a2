import { expect, describe as group, test } from "vitest";
import { cleanFields, cleanText } from "../../../src/log/clean.ts";
import { describe, levelOf } from "../../../src/log/describe.ts";
import { prettyLine } from "../../../src/log/pretty.ts";

group("text from outside", () => {
  test.each([
    ["plain é 漢", "plain é 漢"],
    ["a\u001b[31mb", "a?[31mb"],
    ["line\nforged", "line?forged"],
    ["tab\tstays", "tab\tstays"],
    ["\u202eevil\u0085\u2028", "?evil??"],
  ])("%j becomes %j", (text, clean) => expect(cleanText(text, 100)).toBe(clean));

  test("is cut", () => expect(cleanText("x".repeat(50), 10)).toBe("xxxxxxxxxx..."));
});

test("an event has a level and a sentence", () => {
  const failed = {
    event: "service.failed",
    service: "ssh",
    address: "tcp://[::]:22",
    reason: "address in use",
    retry_ms: 1000,
  } as const;
  expect(levelOf(failed)).toBe("error");
  expect(describe(failed)).toBe('"ssh" cannot listen on tcp://[::]:22: address in use, retrying in 1.0s');
  expect(levelOf({ event: "service.state", service: "ssh", state: "active" })).toBe("debug");
});

test("a pretty line has time, level where it matters, sentence", () => {
  const line = (level: string) => JSON.stringify({ time: "2026-01-02T03:04:05.678Z", level, msg: "hello" });
  expect(prettyLine(line("info"), false)).toBe("03:04:05 hello\n");
  expect(prettyLine(line("warn"), true)).toBe("03:04:05 \u001b[33mwarn: hello\u001b[0m\n");
});

test("of the fields of an event only those that need it are changed", () => {
  const fields = { event: "x", text: "a\u001bb", pid: 1, long: "y".repeat(11) };
  expect(cleanFields(fields, 10)).toEqual({ event: "x", text: "a?b", pid: 1, long: "yyyyyyyyyy..." });
  const clean = { event: "x", pid: 1 };
  expect(cleanFields(clean, 10)).toBe(clean);
});
