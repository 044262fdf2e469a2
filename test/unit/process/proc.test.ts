import { expect, test } from "vitest";
import { parseStat } from "../../../src/process/proc.ts";

/** As the kernel has them: pid, name, state, parent, group, session, 13 more, threads, one more, start time. */
const stat = (name: string, state: string, threads: number) =>
  `812 ${name} ${state} 1 800 801 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 ${threads} 0 184467 9 9`;

test("a name with spaces and parentheses does not shift the fields", () => {
  expect(parseStat(stat("(a) b (c))", "S", 1))).toEqual({
    pid: 812,
    parent: 1,
    group: 800,
    session: 801,
    startTime: 184467,
    zombie: false,
  });
});

test("a process is dead when all its threads are, and not when the first is", () => {
  expect(parseStat(stat("(x)", "Z", 1))?.zombie).toBe(true);
  expect(parseStat(stat("(x)", "X", 0))?.zombie).toBe(true);
  expect(parseStat(stat("(x)", "Z", 2))?.zombie).toBe(false);
});

test("what is no such line is no process", () => {
  expect([parseStat(""), parseStat("812 (x) S 1 800 801")]).toEqual([null, null]);
});
