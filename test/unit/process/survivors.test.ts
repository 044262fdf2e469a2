import { expect, test } from "vitest";
import { membersOf, parseStat } from "../../../src/process/survivors.ts";

const entry = (pid: number, group: number, zombie = false) => ({
  pid,
  parent: 1,
  group,
  session: group,
  zombie,
});

test("a name with spaces and parentheses does not shift the fields", () => {
  expect(parseStat("812 (a) b (c)) S 1 800 801 0 -1 4194560")).toEqual({
    pid: 812,
    parent: 1,
    group: 800,
    session: 801,
    zombie: false,
  });
  expect(parseStat("812 (x) Z 1 800 801 0")?.zombie).toBe(true);
  expect(parseStat("")).toBeNull();
});

test("the members of a group are the living ones", () => {
  expect(membersOf(100, [entry(101, 100), entry(102, 100, true), entry(103, 99)])).toEqual([101]);
});

test("a process that has got the leader's pid since is a stranger, and so is its group", () => {
  expect(membersOf(100, [entry(100, 100), entry(101, 100)])).toEqual([]);
});
