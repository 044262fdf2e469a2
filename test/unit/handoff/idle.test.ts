import { describe, expect, test } from "vitest";
import { busy, isIdle, latenessMs, nextSampleMs, sampled, sampleEveryMs } from "../../../src/handoff/idle.ts";

test("lateness is 10 %, or a second if that is more", () => {
  expect([latenessMs(1_000), latenessMs(10_000), latenessMs(300_000)]).toEqual([1_000, 1_000, 30_000]);
});

describe("idle since", () => {
  test("counts from the first quiet sample, not from the last busy one", () => {
    const quiet = sampled(sampled(busy, false, 0), true, 500);
    expect(quiet.quietSince).toBe(500);
    expect(sampled(quiet, true, 900).quietSince).toBe(500);
    expect(isIdle(quiet, 1_000, 1_499)).toBe(false);
    expect(isIdle(quiet, 1_000, 1_500)).toBe(true);
  });

  test("anything begins it anew", () => {
    const again = sampled(sampled({ quietSince: 0 }, false, 900), true, 1_400);
    expect(isIdle(again, 1_000, 1_500)).toBe(false);
  });
});

/** Whatever moment the last connection ends at, the worker goes neither before its time nor later than allowed. */
test.each([200, 1_000, 5_000, 30_000, 300_000])("a timeout of %i ms is kept from every phase", (timeout) => {
  const every = sampleEveryMs(timeout);
  for (let phase = 0; phase < every; phase += Math.max(1, every / 37)) {
    const lastEnd = 10 * every + phase;
    let now = 0;
    let idleness = busy;
    while (!isIdle(idleness, timeout, now)) {
      now += nextSampleMs(idleness, timeout, now);
      idleness = sampled(idleness, now > lastEnd, now);
    }
    expect(now - lastEnd).toBeGreaterThanOrEqual(timeout);
    expect(now - lastEnd).toBeLessThanOrEqual(timeout + latenessMs(timeout));
  }
});
