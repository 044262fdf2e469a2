/** What `listen` and `wait` do around a freeze, with the kernel, the clock and the worker in the test's hands. */
import { describe, expect, test } from "vitest";
import type { Handoff, HandoffHost } from "../../../src/handoff/handoff.ts";
import { createListen } from "../../../src/handoff/listen.ts";
import { createWait } from "../../../src/handoff/wait.ts";
import type { BoundListener } from "../../../src/net/listen.ts";
import { setUp as setUpHost } from "./host.ts";

const listener = {
  kind: "unix",
  fd: 3,
  name: "it",
  address: { family: "unix", path: "/x" },
  node: null,
  twin: null,
} as BoundListener;

function setUp(create: (host: HandoffHost) => Handoff) {
  return setUpHost(create, { listener, config: { onIdle: "freeze" } });
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
