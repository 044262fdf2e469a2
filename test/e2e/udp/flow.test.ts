/** A flow alone, between a real pair and a real UDP socket, with time and the network's fullness in the test's hands. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Flow } from "../../../src/handoff/flow.ts";
import type { SocketAddress, Sys } from "../../../src/native/sys.ts";
import { ready, sys } from "../../native/support.ts";
import { manualClock } from "../../unit/util/manual-clock.ts";
import { open, udp, workplace } from "../net/support.ts";

workplace();

interface Overrides extends Partial<Sys> {
  idleTimeout?: number | null;
}

/** A flow with a peer that is a socket of the test, and a handler that is the test itself. */
async function setUp({ idleTimeout = null, ...overrides }: Overrides = {}) {
  const [listener] = await open(udp());
  const remote = sys.socket("inet", "dgram");
  sys.bind(remote, { family: "inet", address: "127.0.0.1", port: 0 });
  const time = manualClock();
  const stops: string[] = [];
  let idle = 0;
  const peer = { key: "peer", listener, route: { remote: sys.getsockname(remote), asked: null } };
  const host = {
    sys: { ...sys, ...overrides },
    clock: time.clock,
    config: { idleTimeout, stopTimeout: 1000 },
  };
  const onIdle = () => {
    idle += 1;
  };
  let flow = new Flow(host, peer, onIdle);
  const handler = {
    pid: 1,
    wasReady: true,
    isStopping: false,
    worked: () => {},
    rested: () => {},
    saysReady: () => {},
    freeze: () => {},
    thaw: () => {},
    stop: (reason: string) => void stops.push(reason),
  };
  const buffer = Buffer.alloc(100);
  const text = (fd: number) => {
    const message = sys.receiveMessage(fd, buffer);
    return message === null ? null : buffer.toString("utf8", 0, message.length);
  };
  return {
    get flow() {
      return flow;
    },
    config: host.config,
    handler,
    time,
    /** Another process takes it up. */
    upgrade() {
      flow.save((fd) => fd);
      const saved = { ...flow.save((fd) => sys.dup(fd)), traffic: { ...flow.traffic } };
      const { traffic, ...state } = JSON.parse(JSON.stringify(saved)) as typeof saved;
      expect({ ...state, traffic }).toEqual(saved);
      flow.cut("another process goes on with it");
      time.forget();
      flow = new Flow(host, peer, onIdle, { state, claim: (fd) => fd, handler, traffic });
      expect(flow.traffic).toBe(traffic);
    },
    stops,
    idle: () => idle,
    /** What the handler would read: `""` is the end of file. */
    read: () => text(flow.handlerEnd),
    write: (data: string) => sys.sendMessage(flow.handlerEnd, Buffer.from(data)),
    /** What the peer gets next. */
    async answer() {
      await ready(remote);
      return text(remote);
    },
    nothing: () => text(remote) === null,
    [Symbol.dispose]: () => {
      flow.ended();
      sys.close(remote);
    },
  };
}

/** Fails, or does not, as the test says. */
function network() {
  const state = { full: false, tries: 0 };
  const sendMessage: Sys["sendMessage"] = (fd, data, to: SocketAddress | null = null, ...rest) => {
    if (to === null) return sys.sendMessage(fd, data);
    state.tries += 1;
    return state.full ? null : sys.sendMessage(fd, data, to, ...rest);
  };
  return { state, sendMessage };
}

test("a full network makes answers wait, in order, and is tried again by the clock alone", async () => {
  const { state, sendMessage } = network();
  using it = await setUp({ sendMessage });
  it.flow.serve(it.handler);
  state.full = true;
  for (const word of ["one", "two", "three"]) it.write(word);
  while (state.tries === 0) await nextTurn();
  for (let turn = 0; turn < 20; turn++) await nextTurn();
  expect(state.tries).toBe(1);
  it.time.pass(10);
  expect(state.tries).toBe(2);
  state.full = false;
  it.time.pass(10);
  expect([await it.answer(), await it.answer(), await it.answer()]).toEqual(["one", "two", "three"]);
  expect(it.flow.traffic).toMatchObject({ datagramsOut: 3, bytesOut: 11, datagramsDropped: 0 });
});

test("an answer that still waits when the handler has ended is dropped, and counted", async () => {
  const { state, sendMessage } = network();
  using it = await setUp({ sendMessage });
  it.flow.serve(it.handler);
  state.full = true;
  it.write("one");
  it.flow.ended();
  expect(it.flow.traffic).toMatchObject({ datagramsOut: 0, datagramsDropped: 1 });
  expect(it.time.pending()).toBe(0);
});

test("a handler that has shut its end down is not looked at again", async () => {
  let receives = 0;
  using it = await setUp({
    receiveMessage: (...call) => {
      receives += 1;
      return sys.receiveMessage(...call);
    },
  });
  it.flow.serve(it.handler);
  sys.shutdown(it.flow.handlerEnd, "write");
  while (receives === 0) await nextTurn();
  for (let turn = 0; turn < 20; turn++) await nextTurn();
  expect(receives).toBe(1);
  it.flow.give(Buffer.from("still read"));
  expect(it.read()).toBe("still read");
});

test("idle time counts from the last datagram in either direction; one that was dropped is none", async () => {
  using it = await setUp({ idleTimeout: 100 });
  it.flow.give(Buffer.from("one"));
  it.flow.serve(it.handler);
  it.time.pass(99);
  it.flow.give(Buffer.from("two"));
  it.time.pass(99);
  expect(it.idle()).toBe(0);
  it.write("answer");
  expect(await it.answer()).toBe("answer");
  it.time.pass(99);
  expect(it.idle()).toBe(0);
  // The queue is full long before.
  for (let i = 0; i < 1000; i++) it.flow.give(Buffer.from("more"));
  expect(it.flow.traffic.datagramsDropped).toBeGreaterThan(0);
  it.time.pass(99);
  it.flow.give(Buffer.from("one too many"));
  it.time.pass(1);
  expect(it.idle()).toBe(1);
});

test("at the idle time the handler gets the end of file after what was queued; its stop comes stop_timeout later", async () => {
  using it = await setUp({ idleTimeout: 100 });
  it.flow.give(Buffer.from("one"));
  it.flow.serve(it.handler);
  it.time.pass(100);
  expect([it.read(), it.read()]).toEqual(["one", ""]);
  it.write("last words");
  expect(await it.answer()).toBe("last words");
  it.time.pass(999);
  expect(it.stops).toEqual([]);
  it.time.pass(1);
  expect(it.stops).toEqual(["idle_timeout"]);
});

test("what was not read comes back, but for the first if none was", async () => {
  using it = await setUp();
  for (const word of ["one", "", "three"]) it.flow.give(Buffer.from(word));
  it.flow.serve(it.handler);
  const left = it.flow.ended().map((data) => Buffer.from(data).toString());
  expect(left).toEqual(["", "three"]);
  expect(it.flow.traffic).toMatchObject({ datagramsIn: 1, bytesIn: 3 });
});

test("all comes back of a flow whose handler was never started", async () => {
  using it = await setUp();
  for (const word of ["one", "two"]) it.flow.give(Buffer.from(word));
  expect(it.flow.ended().map((data) => Buffer.from(data).toString())).toEqual(["one", "two"]);
});

test("a handler that reads and shuts its receiving side leaves what it left, and no more", async () => {
  using it = await setUp();
  for (const word of ["one", "two"]) it.flow.give(Buffer.from(word));
  it.flow.serve(it.handler);
  expect(it.read()).toBe("one");
  sys.shutdown(it.flow.handlerEnd, "read");
  it.flow.give(Buffer.from("three"));
  expect(it.flow.ended().map((data) => Buffer.from(data).toString())).toEqual(["two"]);
  expect(it.flow.traffic).toMatchObject({ datagramsIn: 1, datagramsDropped: 1 });
});

test("a flow that was cut is the end of file and a broken pipe, and takes nothing back", async () => {
  using it = await setUp({ idleTimeout: 100 });
  it.flow.give(Buffer.from("one"));
  it.flow.serve(it.handler);
  const copy = sys.dup(it.flow.handlerEnd);
  it.flow.cut("the listener was closed");
  it.time.pass(1000);
  expect([it.idle(), it.stops]).toEqual([0, ["the listener was closed"]]);
  expect(() => sys.sendMessage(copy, Buffer.from("answer"))).toThrow("EPIPE");
  sys.close(copy);
  expect(it.flow.ended()).toEqual([]);
  expect(it.nothing()).toBe(true);
});

test("idle_timeout may change: it counts from the peer's next datagram on", async () => {
  using it = await setUp({ idleTimeout: 1_000_000 });
  it.flow.give(Buffer.from("one"));
  it.flow.serve(it.handler);
  it.config.idleTimeout = 100;
  it.time.pass(500);
  it.flow.give(Buffer.from("two"));
  it.time.pass(99);
  expect(it.idle()).toBe(0);
  it.config.idleTimeout = null;
  it.time.pass(1_000_000);
  expect([it.idle(), it.time.pending()]).toEqual([0, 0]);
  it.config.idleTimeout = 100;
  it.flow.give(Buffer.from("three"));
  it.time.pass(100);
  expect(it.idle()).toBe(1);
  // Nobody gives it anything any more; if somebody does, the handler's time is as it was.
  it.config.idleTimeout = 5_000;
  it.flow.give(Buffer.from("four"));
  it.time.pass(1_000);
  expect(it.stops).toEqual(["idle_timeout"]);
});

describe("over an upgrade", () => {
  test("what is under way in either direction arrives, and is counted once", async () => {
    using it = await setUp();
    for (const word of ["one", "", "three"]) it.flow.give(Buffer.from(word));
    it.flow.serve(it.handler);
    expect(it.read()).toBe("one");
    it.write("answer");
    it.upgrade();
    expect([it.read(), it.read()]).toEqual(["", "three"]);
    it.write("another");
    expect([await it.answer(), await it.answer()]).toEqual(["answer", "another"]);
    it.flow.give(Buffer.from("four"));
    expect(it.read()).toBe("four");
    expect(it.flow.traffic).toEqual({
      bytesIn: 12,
      bytesOut: 13,
      datagramsIn: 4,
      datagramsOut: 2,
      datagramsDropped: 0,
    });
  });

  test("an answer that the network has no room for waits on, in front of the others", async () => {
    const { state, sendMessage } = network();
    using it = await setUp({ sendMessage });
    it.flow.serve(it.handler);
    state.full = true;
    for (const word of ["\0\xff", "two"]) it.write(word);
    while (state.tries === 0) await nextTurn();
    it.upgrade();
    expect(state.tries).toBe(1);
    it.time.pass(10);
    expect(state.tries).toBe(2);
    state.full = false;
    it.time.pass(10);
    expect([await it.answer(), await it.answer()]).toEqual(["\0\xff", "two"]);
    expect(it.flow.traffic).toMatchObject({ datagramsOut: 2, datagramsDropped: 0 });
  });

  test("idle time goes on", async () => {
    using it = await setUp({ idleTimeout: 100 });
    it.flow.give(Buffer.from("one"));
    it.flow.serve(it.handler);
    it.time.pass(60);
    it.upgrade();
    it.time.pass(39);
    expect(it.idle()).toBe(0);
    it.time.pass(1);
    expect(it.idle()).toBe(1);
    expect([it.read(), it.read()]).toEqual(["one", ""]);
  });

  test("a handler that has been told the end still answers, and is stopped in its time", async () => {
    using it = await setUp({ idleTimeout: 100 });
    it.flow.serve(it.handler);
    it.time.pass(100);
    it.time.pass(600);
    it.upgrade();
    expect(it.read()).toBe("");
    it.write("last words");
    expect(await it.answer()).toBe("last words");
    it.time.pass(399);
    expect(it.stops).toEqual([]);
    it.time.pass(1);
    expect([it.stops, it.idle()]).toEqual([["idle_timeout"], 1]);
    it.upgrade();
    expect(it.flow.ended()).toEqual([]);
  });

  test("one that was cut stays so, twice, and its handler is stopped in its time", async () => {
    using it = await setUp({ idleTimeout: 100 });
    it.flow.give(Buffer.from("one"));
    it.flow.serve(it.handler);
    it.flow.cut("the listener was closed");
    it.time.pass(600);
    it.upgrade();
    it.upgrade();
    it.flow.give(Buffer.from("too late"));
    it.time.pass(399);
    expect(it.stops).toEqual([]);
    it.time.pass(1);
    expect([it.stops, it.idle(), it.flow.ended()]).toEqual([["the listener was closed"], 0, []]);
  });

  test("what a handler has not read comes back, but for the first if none was", async () => {
    using it = await setUp();
    for (const word of ["one", "two"]) it.flow.give(Buffer.from(word));
    it.flow.serve(it.handler);
    it.upgrade();
    it.flow.give(Buffer.from("three"));
    expect(it.flow.ended().map((data) => Buffer.from(data).toString())).toEqual(["two", "three"]);
    expect(it.flow.traffic).toMatchObject({ datagramsIn: 1, bytesIn: 3 });
  });
});
