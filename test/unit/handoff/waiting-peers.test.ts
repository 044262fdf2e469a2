import { describe, expect, test } from "vitest";
import { type Peer, WaitingPeers } from "../../../src/handoff/waiting-peers.ts";
import { routeKey } from "../../../src/net/datagram.ts";
import type { BoundListener } from "../../../src/net/listen.ts";

const listener = (port: number): BoundListener => ({
  fd: port,
  kind: "udp",
  address: { family: "inet", address: "0.0.0.0", port },
  canonical: `udp://0.0.0.0:${port}`,
  name: "test",
  backlog: 0,
  node: null,
  twin: null,
  settings: null,
});

const [here, there] = [listener(1), listener(2)];

const peer = (key: string, at = here): Peer => ({
  key,
  listener: at,
  route: { remote: { family: "inet", address: "192.0.2.1", port: 5000 }, asked: null },
});

const bytes = (text: string) => Buffer.from(text);
const texts = (datagrams: readonly Uint8Array[] | undefined) =>
  datagrams?.map((data) => Buffer.from(data).toString());

/** All that wait, in order: the key, and the datagrams. */
function drain(waiting: WaitingPeers): [string, string[] | undefined][] {
  const all: [string, string[] | undefined][] = [];
  for (let next = waiting.shift(); next !== null; next = waiting.shift()) {
    all.push([next.key, texts(next.datagrams)]);
  }
  return all;
}

test("peers in the order in which they came, each with its datagrams in theirs", () => {
  const waiting = new WaitingPeers();
  for (const [key, text] of [
    ["b", "1"],
    ["a", "2"],
    ["b", "3"],
  ] as const) {
    expect(waiting.add(peer(key), bytes(text))).toBe(true);
  }
  expect([waiting.has("a"), waiting.has("c")]).toEqual([true, false]);
  expect(drain(waiting)).toEqual([
    ["b", ["1", "3"]],
    ["a", ["2"]],
  ]);
  expect(waiting.has("a")).toBe(false);
});

test("what is added is copied: the buffer is used again", () => {
  const waiting = new WaitingPeers();
  const buffer = bytes("one");
  waiting.add(peer("a"), buffer);
  buffer.write("two");
  expect(drain(waiting)).toEqual([["a", ["one"]]]);
});

describe("bounds", () => {
  const room = { datagrams: 4, bytes: 100, datagramsPerPeer: 3, bytesPerPeer: 60 };

  test("of one peer: datagrams", () => {
    const waiting = new WaitingPeers(room);
    expect([1, 2, 3, 4].map((n) => waiting.add(peer("a"), bytes(`${n}`)))).toEqual([true, true, true, false]);
    expect(waiting.add(peer("b"), bytes("x"))).toBe(true);
  });

  test("of one peer: bytes, its first datagram too", () => {
    const waiting = new WaitingPeers(room);
    expect([30, 30, 1].map((size) => waiting.add(peer("a"), Buffer.alloc(size)))).toEqual([
      true,
      true,
      false,
    ]);
    expect(waiting.add(peer("b"), Buffer.alloc(61))).toBe(false);
    expect(waiting.has("b")).toBe(false);
  });

  test("of all: datagrams and bytes; who has gone makes room", () => {
    const waiting = new WaitingPeers(room);
    for (const key of ["a", "b", "c", "d"]) expect(waiting.add(peer(key), bytes("x"))).toBe(true);
    expect(waiting.add(peer("e"), bytes("x"))).toBe(false);
    waiting.shift();
    expect(waiting.add(peer("e"), Buffer.alloc(60))).toBe(true);
    waiting.shift();
    expect(waiting.add(peer("f"), Buffer.alloc(60))).toBe(false);
    expect(waiting.add(peer("f"), Buffer.alloc(38))).toBe(true);
  });

  test("what comes back is taken whatever there is, and counts", () => {
    const waiting = new WaitingPeers(room);
    waiting.putBack({ ...peer("a"), datagrams: Array.from({ length: 5 }, () => bytes("x")) });
    expect(waiting.add(peer("b"), bytes("x"))).toBe(false);
    expect(drain(waiting)).toEqual([["a", ["x", "x", "x", "x", "x"]]]);
    expect(waiting.add(peer("b"), bytes("x"))).toBe(true);
  });
});

test("who comes back is the last in the line, and what it has sent since comes after", () => {
  const waiting = new WaitingPeers();
  waiting.add(peer("a"), bytes("3"));
  waiting.add(peer("b"), bytes("x"));
  waiting.putBack({ ...peer("a"), datagrams: [bytes("1"), bytes("2")] });
  expect(drain(waiting)).toEqual([
    ["b", ["x"]],
    ["a", ["1", "2", "3"]],
  ]);
});

test("of one listener: all are taken out, the others stay", () => {
  const waiting = new WaitingPeers();
  waiting.add(peer("a"), bytes("1"));
  waiting.add(peer("b", there), bytes("2"));
  waiting.add(peer("c"), bytes("3"));
  expect(waiting.remove(here).map(({ key }) => key)).toEqual(["a", "c"]);
  expect(drain(waiting)).toEqual([["b", ["2"]]]);
});

test("over an upgrade they keep their places, their datagrams and their bounds", () => {
  const room = { datagrams: 4, bytes: 100, datagramsPerPeer: 3, bytesPerPeer: 60 };
  const from = (port: number, at: BoundListener): Peer => {
    const route = { remote: { family: "inet", address: "192.0.2.1", port } as const, asked: null };
    return { key: routeKey(at, route), listener: at, route };
  };
  const [a, b] = [from(1, here), from(1, there)];
  const waiting = new WaitingPeers(room);
  const binary = Buffer.from([0, 255, 128, 10]);
  waiting.add(a, binary);
  waiting.add(b, bytes("x"));
  waiting.add(a, bytes(""));
  const saved = waiting.save([there, here]);
  expect(JSON.parse(JSON.stringify(saved))).toEqual(saved);

  const then = new WaitingPeers(room);
  then.restore(JSON.parse(JSON.stringify(saved)), [there, here]);
  expect([then.has(a.key), then.has(b.key)]).toEqual([true, true]);
  expect(then.add(a, bytes("third"))).toBe(true);
  expect(then.add(b, bytes("too many"))).toBe(false);
  const first = then.shift();
  expect([first?.listener, first?.datagrams.map((data) => Buffer.from(data))]).toEqual([
    here,
    [binary, bytes(""), bytes("third")],
  ]);
  expect(drain(then)).toEqual([[b.key, ["x"]]]);
});
