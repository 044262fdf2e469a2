import { expect, test } from "vitest";
import { countFailure, noFailures, retryWaitMs, shortageWaitMs } from "../../../src/service/limits.ts";

const limit = { count: 3, perMs: 10_000 };

test("waits grow from a second to a minute and stay there", () => {
  expect([1, 2, 3, 6, 7, 8, 1000].map(retryWaitMs)).toEqual([
    1000, 2000, 4000, 32_000, 60_000, 60_000, 60_000,
  ]);
  expect([1, 2, 6, 7, 1000].map(shortageWaitMs)).toEqual([100, 200, 3200, 5000, 5000]);
});

test("failures within the window lead to a wait, and each further one to a longer one", () => {
  let history = noFailures;
  const waits: (number | null)[] = [];
  for (const now of [0, 1000, 2000, 3000, 5000]) {
    const counted = countFailure(history, limit, now);
    history = counted.history;
    waits.push(counted.waitMs);
  }
  expect(waits).toEqual([null, null, 1000, 2000, 4000]);
});

test("failures that are far apart never add up", () => {
  let history = noFailures;
  for (let now = 0; now < 100_000; now += 6_000) {
    const counted = countFailure(history, limit, now);
    history = counted.history;
    expect(counted.waitMs).toBeNull();
  }
});

test("what is remembered is bounded by the limit's own count", () => {
  let history = noFailures;
  for (let now = 0; now < 1000; now++) history = countFailure(history, limit, now).history;
  expect(history.failures).toHaveLength(3);
});
