import { expect, test } from "vitest";
import { membersOf } from "../../../src/process/survivors.ts";
import { entry } from "./entries.ts";

test("the members of a group are the living ones", () => {
  const processes = [
    entry(101, 1, { group: 100 }),
    entry(102, 1, { group: 100, zombie: true }),
    entry(103, 1, { group: 99 }),
  ];
  expect(membersOf(100, processes).map(({ pid }) => pid)).toEqual([101]);
});

test("a process that has got the leader's pid since is a stranger, and so is its group", () => {
  expect(membersOf(100, [entry(100, 1), entry(101, 100, { group: 100 })])).toEqual([]);
});
