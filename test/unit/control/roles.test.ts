import { expect, test } from "vitest";
import { nodeRights, roleOf } from "../../../src/control/roles.ts";

const rules = { ownUid: 990, controlGroup: 50, statusGroup: 60 };
const caller = { uid: 1000, gid: 1000, groups: [] as number[] };

test.each([
  ["root", { ...caller, uid: 0 }, "operate"],
  ["the daemon's own user", { ...caller, uid: 990 }, "operate"],
  ["whose group is control_group", { ...caller, gid: 50 }, "operate"],
  ["who is a member of control_group", { ...caller, groups: [7, 50] }, "operate"],
  ["whose group is status_group", { ...caller, gid: 60 }, "read"],
  ["who is a member of both", { ...caller, groups: [60, 50] }, "operate"],
  ["a stranger", { ...caller, groups: [7, 8] }, null],
] as const)("%s", (_who, who, role) => {
  expect(roleOf(who, rules)).toBe(role);
});

test("without groups there are root and the daemon's own user", () => {
  const alone = { ownUid: 990, controlGroup: null, statusGroup: null };
  expect(roleOf({ ...caller, groups: [50, 60] }, alone)).toBeNull();
  expect(roleOf({ ...caller, uid: 990 }, alone)).toBe("operate");
});

test("the node keeps out whom it can, and leaves two groups to the check of the caller", () => {
  expect(nodeRights({ controlGroup: null, statusGroup: null })).toEqual({ mode: 0o600, group: null });
  expect(nodeRights({ controlGroup: 50, statusGroup: null })).toEqual({ mode: 0o660, group: 50 });
  expect(nodeRights({ controlGroup: null, statusGroup: 60 })).toEqual({ mode: 0o660, group: 60 });
  expect(nodeRights({ controlGroup: 50, statusGroup: 50 })).toEqual({ mode: 0o660, group: 50 });
  expect(nodeRights({ controlGroup: 50, statusGroup: 60 })).toEqual({ mode: 0o666, group: null });
});
