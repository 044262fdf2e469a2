import { expect, test } from "vitest";
import { encodeJournal, isJournalStream } from "../../../src/log/destinations/journal.ts";
import { encodeSyslog } from "../../../src/log/destinations/syslog.ts";

const started = {
  level: "info",
  fields: { event: "handler.started", service: "ssh", pid: 7, connection: 3 },
  msg: '"ssh" started handler 7',
} as const;

test("a journal entry has a field for each of the event's", () => {
  expect(Buffer.from(encodeJournal(started)).toString()).toBe(
    [
      'MESSAGE="ssh" started handler 7',
      "PRIORITY=6",
      "SYSLOG_IDENTIFIER=tinetd",
      "SYSLOG_FACILITY=3",
      "TINETD_EVENT=handler.started",
      "TINETD_SERVICE=ssh",
      "TINETD_PID=7",
      "TINETD_CONNECTION=3",
      "",
    ].join("\n"),
  );
});

test("a value with a newline stands behind its length, nothing has no field, a list has several", () => {
  const bytes = encodeJournal({
    level: "error",
    fields: { text: "é\nPRIORITY=0", signal: null, unknown: ["a", "b"] },
    msg: "x",
  });
  const expected = Buffer.concat([
    Buffer.from("MESSAGE=x\nPRIORITY=3\nSYSLOG_IDENTIFIER=tinetd\nSYSLOG_FACILITY=3\nTINETD_TEXT\n"),
    Buffer.from([13, 0, 0, 0, 0, 0, 0, 0]),
    Buffer.from("é\nPRIORITY=0\nTINETD_UNKNOWN=a\nTINETD_UNKNOWN=b\n"),
  ]);
  expect(Buffer.from(bytes)).toEqual(expected);
});

test("a bug has its stack", () => {
  const err = new Error("oops");
  const bytes = encodeJournal({ level: "error", fields: { err }, msg: "internal error" });
  expect(Buffer.from(bytes).toString()).toContain(err.stack ?? "no stack");
});

test("a syslog message has priority, local time, tag, sentence and the words among the fields", () => {
  const now = new Date(2026, 0, 2, 3, 4, 5);
  expect(Buffer.from(encodeSyslog(started, now, 99)).toString()).toBe(
    '<30>Jan  2 03:04:05 tinetd[99]: "ssh" started handler 7 [event=handler.started service=ssh pid=7 connection=3]',
  );
});

test.each([
  ["debug", 31],
  ["info", 30],
  ["warn", 28],
  ["error", 27],
  ["fatal", 26],
] as const)("%s has the priority %i", (level, priority) => {
  const fields = { error: "has blanks", signal: null };
  const text = Buffer.from(
    encodeSyslog({ level, fields, msg: "a\nb" }, new Date(2026, 10, 22), 1),
  ).toString();
  expect(text).toBe(`<${priority}>Nov 22 00:00:00 tinetd[1]: a?b`);
});

test("stderr is the journal's stream only if both say so", () => {
  expect(isJournalStream(2, undefined)).toBe(false);
  expect(isJournalStream(2, "1:1")).toBe(false);
});
