import { expect, test } from "vitest";
import { leftOf } from "../../../src/process/leftovers.ts";
import type { ProcessEntry } from "../../../src/process/proc.ts";
import { entry } from "./entries.ts";

const daemon = 50;
const inGroup = { group: 100, session: 100 };

function leftIn(processes: ProcessEntry[], environments: Record<number, string[]> = {}): number[] {
  const all = [entry(1, 0), entry(daemon, 1), ...processes];
  return leftOf(100, "mail", daemon, all, (pid) => environments[pid] ?? []).map(({ pid }) => pid);
}

test("those of the group that have come to us, and their children in it", () => {
  expect(leftIn([entry(101, daemon, inGroup), entry(102, 101, inGroup), entry(103, 101)])).toEqual([
    101, 102,
  ]);
});

test("nobody who descends from another", () => {
  expect(leftIn([entry(101, 1, inGroup), entry(102, 101, inGroup), entry(104, 9999, inGroup)])).toEqual([]);
});

test("nobody of another session, which may have got the group's number", () => {
  expect(leftIn([entry(101, daemon, { group: 100, session: 90 })])).toEqual([]);
});

test("nobody who was started for another service", () => {
  const processes = [101, 102, 103].map((pid) => entry(pid, daemon, inGroup));
  const environments = { 101: ["TINETD_SERVICE=mail"], 102: ["TINETD_SERVICE=mailman"], 103: ["PATH=/bin"] };
  expect(leftIn(processes, environments)).toEqual([101, 103]);
});

test("nobody once another process leads a group of that number", () => {
  expect(leftIn([entry(100, daemon), entry(101, 100, inGroup)])).toEqual([]);
});
