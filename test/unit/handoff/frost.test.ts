/** The way from the decision to freeze to the thaw, with workers that come to rest when the test says so. */
import { expect, test } from "vitest";
import { createFrost, type SavedFrost } from "../../../src/handoff/frost.ts";
import type { HandlerRef, HandoffHost } from "../../../src/handoff/handoff.ts";

class FakeWorker implements HandlerRef {
  readonly wasReady = true;
  readonly isStopping = false;
  readonly pid: number;
  readonly log: string[] = [];
  settle: (frozen: boolean) => void = () => {};

  constructor(pid: number) {
    this.pid = pid;
  }

  freeze(onSettled: (frozen: boolean) => void): void {
    this.log.push("freeze");
    this.settle = onSettled;
  }

  thaw(): void {
    this.log.push("thaw");
  }

  worked(): void {}
  rested(): void {}
  saysReady(): void {}
  stop(): void {}
}

function setUp(maxFrozen: number | null = 1_000) {
  const workers = [new FakeWorker(1), new FakeWorker(2)] as const;
  const timers = new Map<object, () => void>();
  const delays: number[] = [];
  const time = { now: 0 };
  const host = {
    config: { maxFrozen },
    clock: {
      now: () => time.now,
      after(delayMs: number, callback: () => void) {
        const timer = { cancel: () => timers.delete(timer) };
        timers.set(timer, callback);
        delays.push(delayMs);
        return timer;
      },
    },
  };
  const told: string[] = [];
  const newFrost = () =>
    createFrost(host as unknown as Pick<HandoffHost, "config" | "clock">, {
      settled: () => told.push("settled"),
      failed: () => told.push("failed"),
      expired: () => told.push("expired"),
    });
  const frost = newFrost();
  /** What `frost` has saved, taken up by another, whose timers alone are left; `workers` are the same. */
  const carriedOn = () => {
    const saved: SavedFrost = JSON.parse(JSON.stringify(frost.save()));
    const next = newFrost();
    timers.clear();
    next.restore(saved, [...workers]);
    return next;
  };
  const expire = () => {
    const [[timer, callback] = []] = timers;
    if (timer !== undefined) timers.delete(timer);
    callback?.();
  };
  return { frost, carriedOn, told, timers, delays, time, config: host.config, expire, workers };
}

test("it is settled when all stand still, and expires again and again", () => {
  const { frost, told, timers, delays, expire, workers } = setUp();
  frost.begin(workers);
  expect(frost.on).toBe(true);
  workers[0].settle(true);
  expect([told, timers.size]).toEqual([[], 0]);
  workers[1].settle(true);
  expect([told, delays]).toEqual([["settled"], [1_000]]);
  expire();
  expire();
  expect(told).toEqual(["settled", "expired", "expired"]);
  frost.thaw();
  expect([frost.on, timers.size]).toEqual([false, 0]);
  expect(workers.map(({ log }) => log)).toEqual(Array(2).fill(["freeze", "thaw"]));
});

test('with max_frozen = "off" it never expires', () => {
  const { frost, timers, workers } = setUp(null);
  frost.begin([workers[0]]);
  workers[0].settle(true);
  expect([frost.on, timers.size]).toEqual([true, 0]);
});

test("one that cannot be frozen wakes all", () => {
  const { frost, told, workers } = setUp();
  frost.begin(workers);
  workers[0].settle(true);
  workers[1].settle(false);
  expect([told, frost.on]).toEqual([["failed"], false]);
  expect(workers[0].log).toEqual(["freeze", "thaw"]);
});

test("nobody is frozen after one that cannot be at once", () => {
  const { frost, told, workers } = setUp();
  workers[0].freeze = (onSettled) => onSettled(false);
  frost.begin(workers);
  expect([told, frost.on, workers[1].log]).toEqual([["failed"], false, ["thaw"]]);
});

test("one that ends on the way does not keep the others from being settled", () => {
  const { frost, told, timers, workers } = setUp();
  frost.begin(workers);
  workers[0].settle(true);
  frost.leave(workers[1]);
  expect([told, timers.size]).toEqual([["settled"], 1]);
  frost.leave(workers[0]);
  expect([frost.on, timers.size]).toEqual([false, 0]);
});

test("a changed max_frozen counts from the next time", () => {
  const { frost, config, delays, expire, workers } = setUp();
  config.maxFrozen = 500;
  frost.begin([workers[0]]);
  workers[0].settle(true);
  config.maxFrozen = 2_000;
  expire();
  expect(delays).toEqual([500, 2_000]);
});

test("over an upgrade who stands still does so, until max_frozen is over as it was", () => {
  const { frost, carriedOn, told, delays, time, expire, workers } = setUp();
  frost.begin(workers);
  for (const worker of workers) worker.settle(true);
  time.now = 700;
  const next = carriedOn();
  expect([next.on, delays, next.save()]).toEqual([true, [1_000, 300], frost.save()]);
  expire();
  expect([told, delays]).toEqual([
    ["settled", "expired"],
    [1_000, 300, 1_000],
  ]);
  next.thaw();
  expect(workers.map(({ log }) => log)).toEqual(Array(2).fill(["freeze", "thaw"]));
});

test("whose time is over during an upgrade is told of in a later turn", () => {
  const { frost, carriedOn, told, delays, time, expire, workers } = setUp();
  frost.begin([workers[0]]);
  workers[0].settle(true);
  time.now = 5_000;
  carriedOn();
  expect([told, delays]).toEqual([["settled"], [1_000, 0]]);
  expire();
  expect(told).toEqual(["settled", "expired"]);
});

test("for one that is on its way during an upgrade the freeze begins anew, in a later turn", () => {
  const { frost, carriedOn, told, timers, expire, workers } = setUp();
  frost.begin(workers);
  workers[0].settle(true);
  const next = carriedOn();
  expect([next.on, workers[1].log]).toEqual([true, ["freeze"]]);
  expire();
  expect(workers.map(({ log }) => log)).toEqual([["freeze"], ["freeze", "thaw", "freeze"]]);
  workers[1].settle(true);
  expect([told, timers.size]).toEqual([["settled"], 1]);
});

test("one that ends or is thawed before its freeze begins anew is left alone", () => {
  for (const end of ["leave", "thaw"] as const) {
    const { frost, carriedOn, timers, workers } = setUp();
    frost.begin([workers[0]]);
    const next = carriedOn();
    if (end === "leave") next.leave(workers[0]);
    else next.thaw();
    expect([next.on, timers.size]).toEqual([false, 0]);
  }
});

test("who is frozen must be there", () => {
  const { frost, carriedOn, workers } = setUp();
  frost.begin([new FakeWorker(3), ...workers]);
  expect(carriedOn).toThrow("worker 3, which is frozen, is not there");
});
