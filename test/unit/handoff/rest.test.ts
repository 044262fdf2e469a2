import { expect, test } from "vitest";
import { Rest } from "../../../src/handoff/rest.ts";
import { manualClock } from "../log/clock.ts";

function setUp(first: number | null) {
  const clock = manualClock();
  let timeoutMs = first;
  let over = 0;
  const rest = new Rest(
    clock,
    () => timeoutMs,
    () => {
      over += 1;
    },
  );
  return {
    rest,
    clock,
    over: () => over,
    configure(other: number | null) {
      timeoutMs = other;
      rest.review();
    },
  };
}

test("it is over once, after the timeout", () => {
  const { rest, clock, over } = setUp(100);
  rest.begin();
  clock.advance(99);
  expect(over()).toBe(0);
  clock.advance(1);
  expect([over(), rest.since]).toEqual([1, null]);
  rest.review();
  clock.advance(1_000);
  expect(over()).toBe(1);
});

test("whoever gets something to do rests no more, and later anew", () => {
  const { rest, clock, over } = setUp(100);
  rest.begin();
  clock.advance(60);
  rest.end();
  clock.advance(60);
  rest.begin();
  clock.advance(99);
  expect([over(), rest.since]).toEqual([0, 120]);
  clock.advance(1);
  expect([over(), clock.timers]).toEqual([1, 0]);
});

test("another timeout counts from the same moment: shorter, longer, none, and one where there was none", () => {
  const { rest, clock, over, configure } = setUp(1_000);
  rest.begin();
  clock.advance(500);
  configure(600);
  clock.advance(99);
  expect(over()).toBe(0);
  configure(2_000);
  clock.advance(1_000);
  expect(over()).toBe(0);
  configure(null);
  expect([clock.timers, rest.since]).toEqual([0, 0]);
  clock.advance(10_000);
  configure(5_000);
  expect(over()).toBe(0);
  clock.advance(0);
  expect(over()).toBe(1);
});

test("a longer one, or none, counts also where nobody has said that it is another", () => {
  let timeoutMs: number | null = 100;
  const clock = manualClock();
  const over: number[] = [];
  const rest = new Rest(
    clock,
    () => timeoutMs,
    () => over.push(clock.now()),
  );
  rest.begin();
  timeoutMs = 300;
  clock.advance(100);
  expect(over).toEqual([]);
  clock.advance(200);
  expect(over).toEqual([300]);
  rest.begin();
  timeoutMs = null;
  clock.advance(1_000);
  expect([over, clock.timers]).toEqual([[300], 0]);
});

test("it goes on from a moment that has been", () => {
  const { rest, clock, over } = setUp(100);
  clock.advance(500);
  rest.begin(450);
  clock.advance(49);
  expect(over()).toBe(0);
  clock.advance(1);
  expect(over()).toBe(1);
});
