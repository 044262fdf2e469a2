import { expect, test } from "vitest";
import { choose, isFull, type Load, roomOf } from "../../../src/handoff/pass-choice.ts";

const unlimited = { connections: null, maxServed: null };

function worker(connections: number, changes: Partial<Load> = {}): Load {
  return {
    ready: true,
    blocked: false,
    retiring: false,
    frozen: false,
    connections,
    served: connections,
    ...changes,
  };
}

test("the worker with the fewest connections is chosen, the first of several", () => {
  const [two, one, other] = [worker(2), worker(1), worker(1)];
  expect(choose([two, one, other], unlimited)).toBe(one);
  expect(choose([], unlimited)).toBeNull();
});

test("one that is frozen is chosen only when all others are full", () => {
  const [busy, frozen] = [worker(2), worker(0, { frozen: true })];
  expect(choose([frozen, busy], unlimited)).toBe(busy);
  expect(choose([frozen, busy], { connections: 2, maxServed: null })).toBe(frozen);
  expect(roomOf([frozen, busy], { connections: 3, maxServed: null })).toBe(3 + 1);
});

test("one that starts, retires, is full or whose channel is full is not", () => {
  const none = [
    worker(0, { ready: false }),
    worker(0, { retiring: true }),
    worker(0, { blocked: true }),
    worker(3),
    worker(0, { served: 10 }),
  ];
  expect(choose(none, { connections: 3, maxServed: 10 })).toBeNull();
  expect(roomOf(none, { connections: 3, maxServed: 10 })).toBe(0);
});

test("full is at either limit, and never without one", () => {
  expect(isFull(worker(3), { connections: 3, maxServed: null })).toBe(true);
  expect(isFull(worker(2), { connections: 3, maxServed: null })).toBe(false);
  expect(isFull(worker(0, { served: 5 }), { connections: null, maxServed: 5 })).toBe(true);
  expect(isFull(worker(1_000), unlimited)).toBe(false);
});

test("the room of several is what each has left of whichever limit comes first", () => {
  const workers = [worker(1), worker(2, { served: 9 }), worker(0, { ready: false })];
  expect(roomOf(workers, { connections: 5, maxServed: 10 })).toBe(4 + 1);
  expect(roomOf(workers, unlimited)).toBe(Number.POSITIVE_INFINITY);
});
