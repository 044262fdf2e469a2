import { expect, test } from "vitest";
import { admit, type Load, reachedLimit } from "../../../src/admission/admit.ts";

const room: Load = { instances: 1, maxInstances: 2, total: 9, maxTotal: 10, failing: false };

test.each<[string, Partial<Load>, ReturnType<typeof admit>]>([
  ["room everywhere", {}, null],
  ["the last place of the service is taken", { instances: 2 }, "limit"],
  ["more than there may be, after a reload", { instances: 5 }, "limit"],
  ["the last place of the daemon is taken", { total: 10 }, "total"],
  ["starts fail", { failing: true }, "error"],
  ["the service's own limit comes first", { instances: 2, total: 10, failing: true }, "limit"],
  ["then the total", { total: 10, failing: true }, "total"],
])("%s", (_, load, reason) => {
  expect(admit({ ...room, ...load })).toBe(reason);
});

test("a limit is reached when nobody more could be admitted", () => {
  expect(reachedLimit(room)).toBeNull();
  expect(reachedLimit({ ...room, instances: 2, total: 10 })).toBe("limit");
  expect(reachedLimit({ ...room, total: 10 })).toBe("total");
  // Failing starts end by themselves, not with room.
  expect(reachedLimit({ ...room, failing: true })).toBeNull();
});
