/** What `listen` and `wait` do around a freeze, with the kernel, the clock and the worker in the test's hands. */
import { describe, expect, test } from "vitest";
import type { HandlerRef, Handoff, HandoffHost } from "../../../src/handoff/handoff.ts";
import { createListen } from "../../../src/handoff/listen.ts";
import { createWait } from "../../../src/handoff/wait.ts";
import type { BoundListener } from "../../../src/net/listen.ts";

const listener = {
  kind: "unix",
  fd: 3,
  name: "it",
  address: { family: "unix", path: "/x" },
  node: null,
  twin: null,
} as BoundListener;

function setUp(create: (host: HandoffHost) => Handoff) {
  let now = 0;
  const due = new Map<object, { at: number; callback: () => void }>();
  const log: string[] = [];
  const kernel = { quiet: true, deserted: true };
  let settle: (frozen: boolean) => void = () => {};
  const worker: HandlerRef = {
    pid: 7,
    wasReady: true,
    isStopping: false,
    worked: () => {},
    rested: () => {},
    saysReady: () => {},
    stop: (reason) => log.push(`stop: ${reason}`),
    freeze: (onSettled) => {
      log.push("freeze");
      settle = onSettled;
    },
    thaw: () => log.push("thaw"),
  };
  const host = {
    config: {
      workers: { min: 0, max: 1 },
      idleTimeout: 1_000,
      onIdle: "freeze",
      maxFrozen: 60_000,
      stopTimeout: 30_000,
      listenPid: "exec",
      restart: "on-failure",
    },
    sys: { setBlocking: () => {} },
    clock: {
      now: () => now,
      after(delayMs: number, callback: () => void) {
        const timer = { cancel: () => due.delete(timer) };
        due.set(timer, { at: now + delayMs, callback });
        return timer;
      },
    },
    launch: () => [{ ok: true, value: worker }],
    listeners: () => [listener],
    waiting: () => [],
    queueLength: () => 0,
    isQuiet: () => kernel.quiet,
    isDeserted: () => kernel.deserted,
    rewatch: () => {},
  } as unknown as HandoffHost;
  const handoff = create(host);
  const pass = (ms: number) => {
    const end = now + ms;
    for (;;) {
      const [next] = [...due].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (next === undefined) break;
      due.delete(next[0]);
      now = next[1].at;
      next[1].callback();
    }
    now = end;
  };
  /** What was done since the last time. */
  const done = () => log.splice(0);
  handoff.readable(listener);
  return { handoff, worker, kernel, pass, done, settle: (frozen: boolean) => settle(frozen) };
}

describe.each([
  ["listen", createListen],
  ["wait", createWait],
] as const)("%s", (_name, create) => {
  test("the listener is left alone while the worker runs, and watched from the decision on", () => {
    const { handoff, pass, done, settle } = setUp(create);
    expect(handoff.holds(listener)).toBe(true);
    pass(3_000);
    expect([done(), handoff.holds(listener)]).toEqual([["freeze"], false]);
    settle(true);
    expect([done(), handoff.holds(listener)]).toEqual([[], false]);
    handoff.readable(listener);
    expect([done(), handoff.holds(listener)]).toEqual([["thaw"], true]);
  });

  test("who knocks while the worker is not quite frozen puts an end to that", () => {
    const { handoff, pass, done } = setUp(create);
    pass(3_000);
    handoff.readable(listener);
    expect([done(), handoff.holds(listener)]).toEqual([["freeze", "thaw"], true]);
  });

  test("who has come between the decision and the freeze is noticed, and it begins anew", () => {
    const { handoff, kernel, pass, done, settle } = setUp(create);
    pass(3_000);
    kernel.deserted = false;
    settle(true);
    expect([done(), handoff.holds(listener)]).toEqual([["freeze", "thaw"], true]);
    kernel.quiet = false;
    pass(10_000);
    expect(done()).toEqual([]);
    kernel.quiet = true;
    pass(3_000);
    expect(done()).toEqual(["freeze"]);
  });

  test("what cannot be frozen is stopped, if still nobody is there", () => {
    const { kernel, pass, done, settle } = setUp(create);
    pass(3_000);
    kernel.quiet = false;
    settle(false);
    expect(done()).toEqual(["freeze", "thaw"]);
    kernel.quiet = true;
    pass(3_000);
    settle(false);
    expect(done()).toEqual(["freeze", "thaw", "stop: idle_timeout"]);
  });

  test("at max_frozen it is stopped, but not if somebody is there at last", () => {
    const { handoff, kernel, pass, done, settle } = setUp(create);
    pass(3_000);
    settle(true);
    kernel.deserted = false;
    pass(60_000);
    expect(done()).toEqual(["freeze", "thaw"]);
    kernel.deserted = true;
    pass(3_000);
    expect(done()).toEqual(["freeze"]);
    settle(true);
    pass(60_000);
    expect(done()).toEqual(["stop: max_frozen"]);
    // Until it has gone, whoever knocks waits for the next.
    expect(handoff.holds(listener)).toBe(true);
  });

  test("max_lifetime waits for a moment in which nobody is there", () => {
    const { handoff, worker, kernel, pass, done } = setUp(create);
    kernel.quiet = false;
    handoff.aged(worker);
    pass(29_000);
    expect(done()).toEqual([]);
    kernel.quiet = true;
    pass(500);
    expect(done()).toEqual(["stop: max_lifetime"]);
  });
});
