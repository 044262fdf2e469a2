/** The way from the decision to freeze to the thaw, with workers that come to rest when the test says so. */
import { expect, test } from "vitest";
import { createFrost } from "../../../src/handoff/frost.ts";
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
  const timers = new Map<object, () => void>();
  const delays: number[] = [];
  const host = {
    config: { maxFrozen },
    clock: {
      after(delayMs: number, callback: () => void) {
        const timer = { cancel: () => timers.delete(timer) };
        timers.set(timer, callback);
        delays.push(delayMs);
        return timer;
      },
    },
  } as unknown as Pick<HandoffHost, "config" | "clock">;
  const told: string[] = [];
  const frost = createFrost(host, {
    settled: () => told.push("settled"),
    failed: () => told.push("failed"),
    expired: () => told.push("expired"),
  });
  const expire = () => {
    const [[timer, callback] = []] = timers;
    if (timer !== undefined) timers.delete(timer);
    callback?.();
  };
  return { frost, told, timers, delays, expire, workers: [new FakeWorker(1), new FakeWorker(2)] as const };
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
