import { expect, test } from "vitest";
import { treeOf } from "../../../src/process/proc.ts";
import { entry } from "./entries.ts";

test("a tree is its roots and all who descend from them, in whatever order they are listed", () => {
  const processes = [entry(30, 20), entry(10, 1), entry(20, 10), entry(11, 1), entry(21, 11), entry(40, 30)];
  const pids = treeOf(processes, ({ pid }) => pid === 10).map(({ pid }) => pid);
  expect(pids.sort()).toEqual([10, 20, 30, 40]);
});

test("a root that is in the tree of another is there once, and a loop of parents ends", () => {
  const processes = [entry(10, 20), entry(20, 10)];
  expect(treeOf(processes, () => true)).toEqual(processes);
});
