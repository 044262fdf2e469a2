/** What is made of the kernel's rows: whose connection, at which stage, and what counts as open. */
import { describe, expect, test } from "vitest";
import type { SystemError } from "../../../src/native/sys.ts";
import { countConnections, type DiagSys, queuedConnections } from "../../../src/net/diag.ts";
import type { TcpListener } from "../../../src/net/diag-owner.ts";
import { countTcp, queuedAtTcp, stageOf } from "../../../src/net/diag-tcp.ts";
import { countUnix, queuedAtUnix } from "../../../src/net/diag-unix.ts";
import type { BoundListener } from "../../../src/net/listener.ts";
import { isQuiet } from "../../../src/net/sample.ts";
import { tcpSampleAt } from "../../../src/net/tcp-sample.ts";
import { type TcpState, tcpStates } from "../../../src/net/tcp-state.ts";
import { type Inet, inetRows, unixRows } from "./diag-rows.ts";

const listening: Inet = { cookie: 1, state: "listening", local: ["0.0.0.0", 80], inode: 11 };
const ours: TcpListener = { cookie: "1", address: "0.0.0.0", port: 80 };

function connection(more: Partial<Inet> = {}): Inet {
  return { cookie: 100, state: "established", local: ["192.0.2.1", 80], inode: 12, ...more };
}

describe("the stage of a TCP connection", () => {
  const held = Object.fromEntries(tcpStates.map((state) => [state, "held"]));
  const unheld: Record<TcpState, string> = {
    ...(Object.fromEntries(tcpStates.map((state) => [state, "orphan"])) as Record<TcpState, string>),
    established: "queued",
    "close-wait": "queued",
    "syn-received": "handshakes",
  };

  test.each(tcpStates)("%s", (state) => {
    expect(stageOf(inetRows([connection({ state })]), 0)).toBe(held[state]);
    expect(stageOf(inetRows([connection({ state, inode: 0 })]), 0)).toBe(unheld[state]);
  });

  test("all stages but the last are open", () => {
    const rows = inetRows([
      { ...listening, receiveQueue: 2 },
      connection(),
      connection({ state: "close-wait" }),
      connection({ state: "fin-wait-2" }),
      connection({ inode: 0 }),
      connection({ inode: 0, state: "close-wait" }),
      connection({ inode: 0, state: "syn-received" }),
      connection({ inode: 0, state: "fin-wait-1" }),
      connection({ inode: 0, state: "last-ack" }),
      connection({ inode: 0, state: "time-wait" }),
    ]);
    expect(countTcp(rows, [ours])).toEqual([{ held: 3, queued: 2, handshakes: 1 }]);
  });

  test("nobody is there only if no stage has anybody", () => {
    expect(isQuiet({ held: 0, queued: 0, handshakes: 0 })).toBe(true);
    expect(isQuiet({ held: 1, queued: 0, handshakes: 0 })).toBe(false);
    expect(isQuiet({ held: 0, queued: 1, handshakes: 0 })).toBe(false);
    expect(isQuiet({ held: 0, queued: 0, handshakes: 1 })).toBe(false);
  });
});

describe("the listener that a connection came through", () => {
  const at = (address: string, more: Partial<Inet> = {}): Inet => ({
    ...listening,
    local: [address, 80],
    ...more,
  });
  const to = (address: string, more: Partial<Inet> = {}) => connection({ local: [address, 80], ...more });

  test.each<[string, Inet[], Inet, boolean]>([
    ["the only one, a wildcard", [at("0.0.0.0")], to("192.0.2.1"), true],
    ["its very address", [at("192.0.2.1")], to("192.0.2.1"), true],
    ["another address", [at("192.0.2.2")], to("192.0.2.1"), false],
    ["an address that differs in the last byte alone", [at("2001:db8::1")], to("2001:db8::2"), false],
    [
      "another's exact address before our wildcard",
      [at("0.0.0.0"), at("192.0.2.1", { cookie: 2 })],
      to("192.0.2.1"),
      false,
    ],
    [
      "our exact address before another's wildcard",
      [at("192.0.2.1"), at("0.0.0.0", { cookie: 2 })],
      to("192.0.2.1"),
      true,
    ],
    [
      "another's wildcard beside ours: we share it",
      [at("0.0.0.0"), at("0.0.0.0", { cookie: 2 })],
      to("192.0.2.1"),
      true,
    ],
    ["mapped, through the IPv6 wildcard", [at("::")], to("::ffff:192.0.2.1"), true],
    ["mapped, by its very address", [at("::ffff:192.0.2.1")], to("::ffff:192.0.2.1"), true],
    ["mapped, through the mapped wildcard", [at("::ffff:0.0.0.0")], to("::ffff:192.0.2.1"), true],
    ["our interface", [at("0.0.0.0", { interfaceIndex: 3 })], to("192.0.2.1", { interfaceIndex: 3 }), true],
    [
      "another interface",
      [at("0.0.0.0", { interfaceIndex: 3 })],
      to("192.0.2.1", { interfaceIndex: 4 }),
      false,
    ],
    [
      "another's interface before our wildcard",
      [at("0.0.0.0"), at("0.0.0.0", { cookie: 2, interfaceIndex: 3 })],
      to("192.0.2.1", { interfaceIndex: 3 }),
      false,
    ],
    [
      "our exact address before another's interface",
      [at("192.0.2.1"), at("0.0.0.0", { cookie: 2, interfaceIndex: 3 })],
      to("192.0.2.1", { interfaceIndex: 3 }),
      true,
    ],
    ["another port", [at("0.0.0.0")], connection({ local: ["192.0.2.1", 81] }), false],
  ])("%s", (_name, listeners, client, counts) => {
    for (const sockets of [
      [...listeners, client],
      [client, ...listeners.toReversed()],
    ]) {
      const rows = inetRows(sockets);
      const [address = ""] = listeners[0]?.local ?? [];
      expect(countTcp(rows, [{ ...ours, address }])[0]?.held).toBe(counts ? 1 : 0);
    }
  });

  test("each of ours gets its own", () => {
    const rows = inetRows([
      at("192.0.2.1", { cookie: 2, receiveQueue: 0 }),
      at("0.0.0.0"),
      to("192.0.2.1"),
      to("192.0.2.9"),
      to("192.0.2.9", { cookie: 101 }),
    ]);
    const both = [ours, { cookie: "2", address: "192.0.2.1", port: 80 }];
    expect(countTcp(rows, both).map(({ held }) => held)).toEqual([2, 1]);
    expect(countTcp(rows, both.toReversed()).map(({ held }) => held)).toEqual([1, 2]);
  });

  test("one that is in no table, since a handler has shut it down, is known by its address", () => {
    const rows = inetRows([to("192.0.2.1"), to("192.0.2.9")]);
    expect(countTcp(rows, [ours])[0]?.held).toBe(2);
    expect(countTcp(rows, [{ ...ours, address: "192.0.2.9" }])[0]?.held).toBe(1);
  });
});

describe("the queue of a TCP listener", () => {
  const queued = (cookie: number, more: Partial<Inet> = {}) => connection({ cookie, inode: 0, ...more });

  test("is named by cookies", () => {
    const rows = inetRows([
      { ...listening, receiveQueue: 2 },
      queued(101),
      connection({ cookie: 102 }),
      queued(103, { state: "close-wait" }),
      queued(104, { state: "syn-received" }),
      queued(105, { state: "last-ack" }),
      queued(106, { local: ["192.0.2.1", 81] }),
    ]);
    expect(queuedAtTcp(rows, ours)).toEqual(["101", "103"]);
  });

  test("has more in it than can be named when some were reset", () => {
    const rows = inetRows([{ ...listening, receiveQueue: 3 }, queued(101)]);
    expect(queuedAtTcp(rows, ours)).toEqual(["101", "unnamed 1", "unnamed 2"]);
    expect(countTcp(rows, [ours])).toEqual([{ held: 0, queued: 3, handshakes: 0 }]);
  });

  test("and fewer when one has just come", () => {
    const rows = inetRows([{ ...listening, receiveQueue: 0 }, queued(101)]);
    expect(queuedAtTcp(rows, ours)).toEqual(["101"]);
    expect(countTcp(rows, [ours])).toEqual([{ held: 0, queued: 1, handshakes: 0 }]);
  });
});

describe("Unix sockets", () => {
  const rows = unixRows([
    { cookie: 1, state: "listening", name: "/run/x", node: [7, 1], receiveQueue: 3, pending: [21, 0, 22] },
    { cookie: 2, state: "established", name: "/run/x", node: [7, 1] },
    { cookie: 3, state: "established", name: "/run/x", node: [8, 1] },
    { cookie: 4, state: "established", name: "/run/x", node: [7, 2] },
    { cookie: 5, state: "established", name: "/run/y", node: [7, 1] },
    { cookie: 6, state: "established" },
    { cookie: 7, state: "listening", name: "/run/x", node: [8, 1], receiveQueue: 1, pending: [23] },
    { cookie: 8, state: "listening", name: "@x" },
    { cookie: 9, state: "established", name: "@x" },
  ]);

  test("belong to the listener with the same name and node", () => {
    expect([0, 6, 7].map((row) => countUnix(rows, row).held)).toEqual([1, 1, 1]);
  });

  test("in a queue are named by their inodes, those that have gone are numbered", () => {
    expect([0, 6, 7].map((row) => queuedAtUnix(rows, row))).toEqual([["21", "22", "unnamed 1"], ["23"], []]);
    expect([0, 6, 7].map((row) => countUnix(rows, row).queued)).toEqual([3, 1, 0]);
  });
});

describe("a sample of a TCP connection", () => {
  const sample = (more: Partial<Inet>) => tcpSampleAt(inetRows([connection(more)]), 0);

  test("has been idle since the last byte in either direction", () => {
    expect(sample({ lastDataSentMs: 5, lastDataReceivedMs: 9 }).idleMs).toBe(5);
    expect(sample({ lastDataSentMs: 9, lastDataReceivedMs: 5 }).idleMs).toBe(5);
  });

  test("counts no FIN as a byte", () => {
    const received = tcpStates.map((state) => sample({ state, bytesReceived: 10 }).bytesReceived);
    const nine = tcpStates.filter((_, n) => received[n] === 9);
    expect(nine).toEqual(["close-wait", "last-ack", "closing"]);
    expect(new Set(received)).toEqual(new Set([9, 10]));
  });

  test.each<[string, number, unknown]>([
    ["192.0.2.7", 0, { family: "inet", address: "192.0.2.7", port: 5 }],
    ["::ffff:192.0.2.7", 0, { family: "inet", address: "192.0.2.7", port: 5 }],
    ["2001:db8::7", 3, { family: "inet6", address: "2001:db8::7", port: 5, scope: 0 }],
    ["fe80::7", 3, { family: "inet6", address: "fe80::7", port: 5, scope: 3 }],
  ])("from %s", (address, interfaceIndex, expected) => {
    const local: [string, number] = [address, 80];
    expect(sample({ local, remote: [address, 5], interfaceIndex }).remote).toEqual(expected);
  });
});

describe("an answer that is not all there is", () => {
  const listener: BoundListener = {
    fd: 3,
    kind: "unix",
    address: { family: "unix", path: "/run/x" },
    canonical: "unix:/run/x",
    name: "x",
    backlog: 16,
    node: null,
    twin: null,
    settings: null,
  };
  const whole = unixRows([
    { cookie: 1, state: "listening", name: "/run/x", node: [7, 1], receiveQueue: 2, pending: [5, 6] },
  ]);
  const without = unixRows([]);

  /** A kernel that gives these answers in turn, and counts how often it is asked. */
  function kernel(...answers: (typeof whole | SystemError)[]): { sys: DiagSys; asked: boolean[] } {
    const asked: boolean[] = [];
    const never = () => {
      throw new Error("not asked for in this test");
    };
    const unixDiag: DiagSys["unixDiag"] = (_netlink, _states, pending) => {
      const answer = answers[Math.min(asked.length, answers.length - 1)];
      asked.push(pending);
      if (answer === undefined || answer instanceof Error) throw answer;
      return answer;
    };
    return { sys: { inetDiag: never, inetDiagOne: never, socketCookie: () => "1", unixDiag }, asked };
  }

  test("is asked for again", () => {
    const { sys, asked } = kernel({ ...whole, inconsistent: true }, without, whole);
    expect(countConnections(sys, 9, [listener])).toEqual({
      ok: true,
      value: [{ held: 0, queued: 2, handshakes: 0 }],
    });
    expect(asked).toEqual([false, false, false]);
  });

  test("three times; then nothing is known", () => {
    const { sys, asked } = kernel({ ...whole, inconsistent: true });
    expect(countConnections(sys, 9, [listener])).toEqual({
      ok: false,
      error: "the kernel's answer was incomplete 3 times",
    });
    expect(asked).toHaveLength(3);
  });

  test("because a queue is too long to be told: its length is", () => {
    const { sys, asked } = kernel(without, without, without, whole);
    expect(queuedConnections(sys, 9, listener)).toEqual(["unnamed 1", "unnamed 2"]);
    expect(asked).toEqual([true, true, true, false]);
  });

  test("because the kernel refuses: the reason is a value, and nobody is named", () => {
    const refusal = Object.assign(new Error("sock_diag ENOENT: no such file"), {
      code: "ENOENT",
      errno: -2,
      syscall: "sock_diag",
    });
    const { sys } = kernel(refusal);
    expect(countConnections(sys, 9, [listener])).toEqual({ ok: false, error: refusal.message });
    expect(queuedConnections(sys, 9, listener)).toEqual([]);
  });

  test("but a bug is thrown", () => {
    const { sys } = kernel(new TypeError("a bug") as unknown as SystemError);
    expect(() => countConnections(sys, 9, [listener])).toThrow("a bug");
  });
});
