import { describe, expect, test } from "vitest";
import { type HandlerState, stepHandler } from "../../../src/service/worker.ts";

const states: HandlerState[] = [
  { name: "starting" },
  { name: "ready" },
  { name: "idle", since: 1 },
  { name: "frozen", since: 1, settled: true },
];
const stopping: HandlerState = { name: "stopping", reason: "x", killed: false };

describe("stop", () => {
  test.each(states)("signals once, from %j", (state) => {
    const { state: next, effects } = stepHandler(state, { type: "stop", reason: "x" });
    expect(next).toEqual(stopping);
    expect(effects).toEqual([{ do: "signal", reason: "x" }]);
    expect(stepHandler(next, { type: "stop", reason: "y" })).toEqual({ state: stopping, effects: [] });
  });

  test("kills when the time is over, and again if asked again", () => {
    const { state, effects } = stepHandler(stopping, { type: "timeout" });
    expect(state).toEqual({ ...stopping, killed: true });
    expect(effects).toEqual([{ do: "kill" }]);
    expect(stepHandler(state, { type: "timeout" }).effects).toEqual([{ do: "kill" }]);
  });

  test.each(states)("a timer of an earlier life does not kill, in %j", (state) => {
    expect(stepHandler(state, { type: "timeout" })).toEqual({ state, effects: [] });
  });
});

test("work and rest move between ready and idle, and never out of stopping", () => {
  const idle = stepHandler({ name: "ready" }, { type: "rest", now: 7 }).state;
  expect(idle).toEqual({ name: "idle", since: 7 });
  expect(stepHandler(idle, { type: "work" }).state).toEqual({ name: "ready" });
  expect(stepHandler({ name: "starting" }, { type: "ready" }).state).toEqual({ name: "ready" });
  for (const event of [{ type: "work" }, { type: "rest", now: 1 }, { type: "ready" }] as const) {
    expect(stepHandler(stopping, event).state).toBe(stopping);
  }
});

describe("freeze", () => {
  const frozen: HandlerState = { name: "frozen", since: 5, settled: false };
  const settled: HandlerState = { ...frozen, settled: true };

  test.each([{ name: "ready" }, { name: "idle", since: 1 }] as const)("from %j", (state) => {
    expect(stepHandler(state, { type: "freeze", now: 5 })).toEqual({
      state: frozen,
      effects: [{ do: "freeze" }],
    });
  });

  test("is announced when it has come to its end, and given up if it cannot", () => {
    expect(stepHandler(frozen, { type: "settled", frozen: true })).toEqual({
      state: settled,
      effects: [{ do: "announce frozen" }],
    });
    expect(stepHandler(frozen, { type: "settled", frozen: false })).toEqual({
      state: { name: "ready" },
      effects: [{ do: "thaw", since: null }],
    });
  });

  test.each([{ type: "thaw" }, { type: "work" }] as const)("%j ends it, announced if it was", (event) => {
    expect(stepHandler(settled, event)).toEqual({
      state: { name: "ready" },
      effects: [{ do: "thaw", since: 5 }],
    });
    expect(stepHandler(frozen, event).effects).toEqual([{ do: "thaw", since: null }]);
  });

  test("comes too late for one that is told to stop", () => {
    for (const event of [{ type: "freeze", now: 5 }, { type: "thaw" }] as const) {
      expect(stepHandler(stopping, event)).toEqual({ state: stopping, effects: [] });
    }
    expect(() => stepHandler({ name: "starting" }, { type: "freeze", now: 5 })).toThrow("cannot happen");
  });
});
