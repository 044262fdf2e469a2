import { expect, test } from "vitest";
import type { HandlerRef, HandoffHost } from "../../../src/handoff/handoff.ts";
import { awaitLeave, resumeLeave } from "../../../src/handoff/old-age.ts";

function setUp(stopTimeout: number | null) {
  let now = 0;
  const due: { at: number; callback: () => void }[] = [];
  const host = {
    config: { stopTimeout },
    clock: {
      now: () => now,
      after(delayMs: number, callback: () => void) {
        const entry = { at: now + delayMs, callback };
        due.push(entry);
        return { cancel: () => due.splice(due.indexOf(entry), 1) };
      },
    },
  } as unknown as Pick<HandoffHost, "config" | "clock">;
  const stops: string[] = [];
  const worker = { isStopping: false, stop: (reason: string) => stops.push(reason) } as unknown as HandlerRef;
  /** Until nothing is due, or `ms` have passed. */
  const pass = (ms: number) => {
    const end = now + ms;
    for (let next = due.shift(); next !== undefined; next = due.shift()) {
      if (next.at > end) {
        due.unshift(next);
        break;
      }
      now = next.at;
      next.callback();
    }
    now = end;
  };
  return { host, worker, stops, pass, due };
}

test("it goes in the first moment in which it can", () => {
  const { host, worker, stops, pass, due } = setUp(30_000);
  let looks = 0;
  awaitLeave(host, worker, () => ++looks === 4);
  pass(60_000);
  expect([looks, stops, due]).toEqual([4, [], []]);
});

test("after stop_timeout it is stopped; with none, never", () => {
  const limited = setUp(1_000);
  awaitLeave(limited.host, limited.worker, () => false);
  limited.pass(999);
  expect(limited.stops).toEqual([]);
  limited.pass(1);
  expect([limited.stops, limited.due]).toEqual([["max_lifetime"], []]);
  const unlimited = setUp(null);
  awaitLeave(unlimited.host, unlimited.worker, () => false);
  unlimited.pass(1_000_000);
  expect([unlimited.stops, unlimited.due.length]).toEqual([[], 1]);
});

test("one that has gone is not looked after any more", () => {
  const { host, worker, due } = setUp(1_000);
  awaitLeave(host, worker, () => false).giveUp();
  expect(due).toEqual([]);
});

test("over an upgrade it is waited for as long as it was to be, and looked in a later turn", () => {
  const { host, worker, stops, pass, due } = setUp(1_000);
  const saved = JSON.parse(JSON.stringify(awaitLeave(host, worker, () => false).save()));
  pass(600);
  due.length = 0;
  let looks = 0;
  resumeLeave(host, worker, () => ++looks > 9, saved);
  expect(looks).toBe(0);
  pass(400);
  expect([looks, stops, due]).toEqual([2, ["max_lifetime"], []]);
});

test("whose time is over during an upgrade is looked after once more", () => {
  const { host, worker, stops, pass } = setUp(1_000);
  const saved = awaitLeave(host, worker, () => false).save();
  pass(5_000);
  stops.length = 0;
  resumeLeave(host, worker, () => true, saved);
  pass(0);
  expect(stops).toEqual([]);
});

test("one that was told to go is not waited for again, nor one that never has to", () => {
  const { host, worker, pass, due } = setUp(null);
  const left = awaitLeave(host, worker, () => true).save();
  expect(left).toEqual({ until: null, waiting: false });
  resumeLeave(host, worker, () => true, left);
  expect(due).toEqual([]);
  const waiting = awaitLeave(host, worker, () => false).save();
  due.length = 0;
  let looks = 0;
  resumeLeave(host, worker, () => ++looks === 0, JSON.parse(JSON.stringify(waiting)));
  pass(1_000);
  expect(looks).toBe(4);
});
