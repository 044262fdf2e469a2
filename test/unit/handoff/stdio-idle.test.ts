/** When a handler of `stdio` counts as idle, with time and the kernel's answers in the test's hands. */
import { expect, test } from "vitest";
import type { HandlerRef, Incoming, RestoredHandler } from "../../../src/handoff/handoff.ts";
import { watchStdioIdle } from "../../../src/handoff/stdio-idle.ts";
import { manualClock } from "../util/manual-clock.ts";
import { overTcp, overUnix } from "./incoming.ts";

const tcp = { endpoint: { kind: "tcp" } };
const udp = { endpoint: { kind: "udp" } };

function setUp(config: { idleTimeout: number | null; listeners?: object[] }) {
  const time = manualClock();
  const kernel = { lastByteAt: 0 };
  const stops: string[] = [];
  const settings = { listeners: [tcp], ...config };
  const host = {
    config: settings,
    sys: { socketCookie: (fd: number) => `${fd}` },
    clock: time.clock,
    tcpIdleMs: () => new Map([[`${overTcp.fd}`, time.clock.now() - kernel.lastByteAt]]),
  } as unknown as Parameters<typeof watchStdioIdle>[0];
  // No process has this pid: so it never runs.
  const handler = { pid: 2 ** 30, stop: (reason: string) => stops.push(reason) } as unknown as HandlerRef;
  let idle = watchStdioIdle(host);
  return {
    time,
    kernel,
    stops,
    config: settings,
    handler,
    add: (incoming: Incoming) => idle.add(incoming, incoming.fd, handler),
    remove: () => idle.remove(handler.pid),
    /** In small steps, as timers are due. */
    pass(ms: number) {
      for (let left = ms; left > 0; left -= 50) time.pass(50);
    },
    upgrade() {
      const saved = idle.save();
      expect(JSON.parse(JSON.stringify(saved))).toEqual(saved);
      time.forget();
      idle = watchStdioIdle(host);
      const handlers = new Map([[handler.pid, handler as RestoredHandler]]);
      idle.restore(JSON.parse(JSON.stringify(saved)), { handlers });
    },
  };
}

test("the time of a TCP connection goes on over an upgrade", () => {
  const it = setUp({ idleTimeout: 10_000 });
  it.add(overTcp);
  it.pass(8_000);
  it.upgrade();
  it.pass(1_950);
  expect(it.stops).toEqual([]);
  it.pass(1_000);
  expect(it.stops).toEqual(["idle_timeout"]);
  it.upgrade();
  expect(it.time.pending()).toBe(0);
});

test("that of a Unix connection too, as far as its handler was seen to rest", () => {
  const it = setUp({ idleTimeout: 10_000 });
  it.add(overUnix);
  it.pass(8_000);
  it.upgrade();
  expect(it.stops).toEqual([]);
  it.pass(3_500);
  expect(it.stops).toEqual(["idle_timeout"]);
});

test("a shorter timeout counts from the next connection at the latest, though a later look was planned", () => {
  const it = setUp({ idleTimeout: 1_000_000 });
  it.add(overTcp);
  it.config.idleTimeout = 1_000;
  it.pass(2_000);
  it.add(overTcp);
  it.pass(1_000);
  expect(it.stops).toEqual(["idle_timeout"]);
});

test("a longer one counts from the next look, and none is without end", () => {
  const it = setUp({ idleTimeout: 1_000 });
  it.add(overTcp);
  it.config.idleTimeout = 3_000;
  it.pass(2_900);
  expect(it.stops).toEqual([]);
  it.config.idleTimeout = null;
  it.pass(100_000);
  expect([it.stops, it.time.pending()]).toEqual([[], 0]);
});

test("who comes while there is no timeout is not looked at, nor where UDP peers are served as well", () => {
  for (const config of [{ idleTimeout: null }, { idleTimeout: 1_000, listeners: [tcp, udp] }]) {
    const it = setUp(config);
    it.add(overTcp);
    expect(it.time.pending()).toBe(0);
  }
});

test("nobody looks while there is no handler", () => {
  const it = setUp({ idleTimeout: 1_000 });
  it.add(overTcp);
  expect(it.time.pending()).toBe(1);
  it.remove();
  expect(it.time.pending()).toBe(0);
});
