/** What the kernel tells of connections that end is not missed over an upgrade: on real sockets, with a clock in our hands. */
import { expect, test } from "vitest";
import { createIdleWatch } from "../../../src/handoff/idle-watch.ts";
import type { BoundListener } from "../../../src/net/listen.ts";
import { open, port, reachable, ready, sys, tcp, workplace } from "../net/support.ts";

workplace();

function setUp(listener: BoundListener) {
  let now = 0;
  let due: { at: number; callback: () => void }[] = [];
  const clock = {
    now: () => now,
    wall: () => new Date(0),
    after(delayMs: number, callback: () => void) {
      const entry = { at: now + delayMs, callback };
      due.push(entry);
      return {
        cancel() {
          due = due.filter((each) => each !== entry);
        },
      };
    },
  };
  let idle = 0;
  const create = () =>
    createIdleWatch(
      { sys, clock },
      () => 1_000,
      () => [listener],
      () => true,
      () => {
        idle += 1;
      },
    );
  /** Until then, everything that is due in its order. @returns how often it was idle */
  const pass = (ms: number) => {
    const end = now + ms;
    for (;;) {
      const [next] = due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      due = due.filter((each) => each !== next);
      now = next.at;
      next.callback();
    }
    now = end;
    return idle;
  };
  return { create, pass };
}

test.each([true, false])("somebody came and went meanwhile: %s", async (came) => {
  const [listener] = await open(tcp());
  const { create, pass } = setUp(listener);
  const before = create();
  before.start();
  expect(pass(600)).toBe(0);
  const saved = before.save((fd) => sys.dup(fd));
  expect(before.save((fd) => fd)).toMatchObject({ quietSince: 500 });
  before.stop();
  if (saved === null || saved.ends === null) throw new Error("nothing is told of connections that end");
  if (came) {
    await reachable(listener, { host: "127.0.0.1", port: port(listener) });
    await ready(saved.ends);
  }
  const after = create();
  after.restore(JSON.parse(JSON.stringify(saved)), (fd) => fd);
  expect(pass(900)).toBe(came ? 0 : 1);
  expect(pass(1_000)).toBe(1);
  after.stop();
});
