import { describe, expect, test } from "vitest";
import { isWatching, type ServiceEvent, type ServiceState, step } from "../../../src/service/state.ts";

const stopped: ServiceState = { name: "stopped" };
const listening: ServiceState = { name: "listening" };
const active: ServiceState = { name: "active" };
const full: ServiceState = { name: "limited", reason: "limit", until: null };
const short: ServiceState = { name: "limited", reason: "descriptors", until: 500 };
const paused: ServiceState = { name: "paused", until: null };
const unbound: ServiceState = { name: "failed", cause: "unbound", reason: "in use", until: 1000 };
const backingOff: ServiceState = { name: "failed", cause: "starts", reason: "ENOENT", until: 2000 };
const all = [stopped, listening, active, full, short, paused, unbound, backingOff];

const run = (state: ServiceState, ...events: ServiceEvent[]) =>
  events.reduce((current, event) => step(current, event).state, state);

describe("the way up and down", () => {
  test("a start binds, and the first bound listener makes it listen", () => {
    const started = step(stopped, { type: "start" });
    expect(started.state.name).toBe("failed");
    expect(run(started.state, { type: "bound", handlers: 0 })).toEqual(listening);
  });

  test("what could not be bound is failed with the next try, and listens once it can", () => {
    const failed = run(stopped, { type: "start" }, { type: "lost", reason: "in use", until: 1000 });
    expect(failed).toEqual(unbound);
    expect(run(failed, { type: "bound", handlers: 0 })).toEqual(listening);
  });

  test.each(all.filter((state) => state !== stopped))("stop works in every state: %j", (state) => {
    const { state: next, effects } = step(state, { type: "stop" });
    expect(next).toEqual(stopped);
    expect(effects.map((effect) => effect.do)).toEqual(["close", "release", "stop handlers"]);
  });

  test.each(all.filter((state) => state !== stopped))("a drain closes the door, no more: %j", (state) => {
    const { state: next, effects } = step(state, { type: "drain" });
    expect(next).toEqual(stopped);
    expect(effects.map((effect) => effect.do)).toEqual(["close"]);
  });

  test("a bind that ends after the stop changes nothing", () => {
    expect(run(stopped, { type: "bound", handlers: 0 })).toBe(stopped);
    expect(run(stopped, { type: "lost", reason: "x", until: 1 })).toBe(stopped);
  });
});

describe("handlers", () => {
  test("the first makes it active, the last end makes it listen", () => {
    expect(run(listening, { type: "handlers", handlers: 1 })).toEqual(active);
    expect(run(active, { type: "handlers", handlers: 0 })).toEqual(listening);
  });

  test.each([full, short, paused, unbound, backingOff])("do not end %j", (state) => {
    expect(run(state, { type: "handlers", handlers: 0 })).toBe(state);
  });
});

describe("limits", () => {
  test("end with room of the same reason only", () => {
    expect(run(full, { type: "room", reason: "total", handlers: 3 })).toBe(full);
    expect(run(full, { type: "room", reason: "limit", handlers: 3 })).toEqual(active);
    expect(run(full, { type: "room", reason: "limit", handlers: 0 })).toEqual(listening);
  });

  test("end at their time only if they have one", () => {
    expect(run(full, { type: "due", handlers: 1 })).toBe(full);
    expect(run(short, { type: "due", handlers: 1 })).toEqual(active);
  });

  test("a service that is limited can fail, and one that failed is not limited", () => {
    expect(run(full, { type: "lost", reason: "gone", until: null }).name).toBe("failed");
    expect(run(backingOff, { type: "full", reason: "limit", until: null })).toBe(backingOff);
  });
});

describe("failing starts", () => {
  test("recover by themselves", () => {
    const failed = run(active, { type: "back-off", reason: "ENOENT", until: 2000 });
    expect(failed).toEqual(backingOff);
    expect(run(failed, { type: "due", handlers: 0 })).toEqual(listening);
  });

  test("a listener that comes back does not end the wait for starts", () => {
    expect(run(backingOff, { type: "bound", handlers: 0 })).toBe(backingOff);
  });

  test("no state but stopped waits for a person", () => {
    for (const state of all) {
      if (state.name === "stopped" || state.name === "listening" || state.name === "active") continue;
      const ends = [
        { type: "due", handlers: 0 },
        { type: "room", reason: "limit", handlers: 0 },
        { type: "bound", handlers: 0 },
        { type: "resume", handlers: 0 },
      ] as const;
      expect(ends.some((event) => run(state, event).name === "listening")).toBe(true);
    }
  });
});

describe("pause", () => {
  test("holds over everything but its end, stop and the loss of all listeners", () => {
    const held = run(
      active,
      { type: "pause", until: null },
      { type: "full", reason: "limit", until: null },
      { type: "back-off", reason: "x", until: 9 },
      { type: "handlers", handlers: 0 },
      { type: "room", reason: "limit", handlers: 0 },
    );
    expect(held).toEqual(paused);
    expect(run(held, { type: "resume", handlers: 2 })).toEqual(active);
    expect(run({ name: "paused", until: 5 }, { type: "due", handlers: 0 })).toEqual(listening);
  });
});

describe("isWatching", () => {
  test.each([
    [stopped, false, false],
    [listening, true, true],
    [active, true, true],
    [full, false, false],
    [paused, false, false],
    [unbound, false, false],
    [backingOff, false, true],
  ])("%j: queue %s, refuse %s", (state, queue, refuse) => {
    expect(isWatching(state, "queue")).toBe(queue);
    expect(isWatching(state, "refuse")).toBe(refuse);
  });
});
