/** The life of UDP flows: one for each peer, from its first datagram to its handler's end or the idle time. */
import { expect, test } from "vitest";
import { startDaemon } from "../rig/daemon.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";
import { type Peer, udpPeer, udpPeers } from "./peers.ts";

/** Bursts of this test must find room in the kernel: what does not reach the daemon is not its doing. */
const roomy = 'socket = { receive_buffer = "4M" }\n';

/** A service with the fixture that speaks datagrams. */
const service = (rest = "", argument = "") =>
  startDaemon(
    ({ fixture }) =>
      `[services.flows]\nlisten = "udp://127.0.0.1:0"\ncommand = ["${fixture("datagrams")}"${argument}]\n${roomy}${rest}`,
  );

const closed = (rig: Rig, { name }: Peer) => rig.event("connection.closed", { remote: name });

test("a burst of 1,000 datagrams of 50 peers, all mixed: each gets its own, whole and in order", async () => {
  await using rig = await service();
  const before = rig.descriptors();
  const port = await rig.port("flows");
  await using crowd = await udpPeers(50);
  const words = Array.from({ length: 20 }, (_, round) => round);
  for (const round of words) {
    await Promise.all(crowd.peers.map((peer) => peer.send(port, `${peer.name} ${round}`)));
  }
  for (const peer of crowd.peers) {
    expect(await peer.texts(words.length)).toEqual(words.map((round) => `${peer.name} ${round}`));
  }
  const pids = new Set<string>();
  for (const peer of crowd.peers) pids.add((await peer.ask(port, "pid")).text);
  expect(pids.size).toBe(50);
  expect(await rig.status()).toMatchObject({ services: [{ accepted: 50, connections: 50, refused: {} }] });
  await Promise.all(crowd.peers.map((peer) => peer.send(port, "exit 0")));
  for (const peer of crowd.peers) {
    expect(await closed(rig, peer)).toMatchObject({ code: 0, datagrams_in: 22, datagrams_dropped: 0 });
  }
  await eventually("no descriptor is left over", () => rig.descriptors() <= before);
});

test("an idle flow ends with the end of file, and its peer's next datagram starts another", async () => {
  await using rig = await service('idle_timeout = "300ms"');
  const before = rig.descriptors();
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  const first = await peer.ask(port, "pid");
  const end = await closed(rig, peer);
  expect(end).toMatchObject({ code: 0, signal: null, datagrams_in: 1, datagrams_out: 1 });
  expect(end.duration_ms).toBeGreaterThanOrEqual(300);
  const second = await peer.ask(port, "pid");
  expect(second.text).not.toBe(first.text);
  const again = await rig.event("connection.closed", { remote: peer.name }, { after: end });
  expect(again.connection).not.toBe(end.connection);
  await eventually("no descriptor is left over", () => rig.descriptors() <= before);
  expect(rig.events.some(({ event }) => event === "handler.stopping")).toBe(false);
});

test("what a handler says at the end of an idle flow still goes to its peer", async () => {
  await using rig = await service('idle_timeout = "200ms"', ', "last words"');
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  await peer.send(port, "hello");
  expect(await peer.texts(2)).toEqual(["hello", "last words"]);
  expect(await closed(rig, peer)).toMatchObject({ code: 0, datagrams_out: 2 });
});

test("datagrams in either direction keep a flow open", async () => {
  await using rig = await startDaemon(`
    [services.ticks]
    listen       = "udp://127.0.0.1:0"
    command      = ["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done"]
    idle_timeout = "800ms"`);
  const port = await rig.port("ticks");
  await using peer = await udpPeer();
  await peer.send(port, "go");
  expect(await peer.texts(8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((i) => `${i}\n`));
  expect(await closed(rig, peer)).toMatchObject({ code: 0, datagrams_out: 8 });
});

test("a handler that does not go at the end of its flow is stopped", async () => {
  await using rig = await service('idle_timeout = "200ms"\nstop_timeout = "200ms"');
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  expect((await peer.ask(port, "hang")).text).toBe("done");
  expect(await rig.event("handler.stopping")).toMatchObject({ reason: "idle_timeout", signal: "SIGTERM" });
  expect(await closed(rig, peer)).toMatchObject({ signal: "SIGTERM" });
});

test("a new flow of a peer does not wait for the handler of its last one", async () => {
  await using rig = await service('idle_timeout = "300ms"\nstop_timeout = "1h"');
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  const first = Number((await peer.ask(port, "pid")).text);
  expect((await peer.ask(port, "hang")).text).toBe("done");
  // Nothing announces the end of file. Asked anew, the peer is answered once its flow is a new one.
  let answered: Promise<{ text: string }> | null = null;
  const asking = setInterval(() => void peer.send(port, "pid"), 400);
  answered = peer.receive();
  const second = Number((await answered).text);
  clearInterval(asking);
  expect(second).not.toBe(first);
  expect(isAlive(first)).toBe(true);
  process.kill(first, "SIGTERM");
});

test("a handler that serves one datagram and ends: each has one of its own, in order", async () => {
  await using rig = await startDaemon(`
    [services.once]
    listen  = "udp://127.0.0.1:0"
    command = ["dd", "bs=65536", "count=1", "status=none"]
    ${roomy}`);
  const before = rig.descriptors();
  const port = await rig.port("once");
  await using crowd = await udpPeers(5);
  const words = Array.from({ length: 20 }, (_, round) => `${round}`);
  for (const word of words) for (const peer of crowd.peers) await peer.send(port, word);
  for (const peer of crowd.peers) expect(await peer.texts(words.length)).toEqual(words);
  await eventually("all handlers have ended", () => rig.descendants().length === 0);
  expect(await rig.status()).toMatchObject({
    services: [{ accepted: 100, state: "listening", refused: {} }],
  });
  for (const event of rig.events) {
    if (event.event === "connection.closed")
      expect(event).toMatchObject({ datagrams_in: 1, bytes_out: event.bytes_in });
  }
  await eventually("no descriptor is left over", () => rig.descriptors() <= before);
});

test("what a handler has not read when it ends goes to the next, and no further than that", async () => {
  await using rig = await service();
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  const words = ["one", "exit 1", "two", "three", "exit 2", "four"];
  for (const word of words) await peer.send(port, word);
  expect(await peer.texts(4)).toEqual(["one", "two", "three", "four"]);
  expect(await rig.event("connection.closed", { code: 1 })).toMatchObject({ datagrams_in: 2 });
  expect(await rig.event("connection.closed", { code: 2 })).toMatchObject({ datagrams_in: 3 });
});

test("a handler that ends at once, unread datagram or not, is started once for each and not for ever", async () => {
  await using rig = await startDaemon(`
    [services.time]
    listen  = "udp://127.0.0.1:0"
    command = ["echo", "now"]`);
  const port = await rig.port("time");
  await using peer = await udpPeer();
  for (let round = 0; round < 10; round++) await peer.send(port, "what time is it?");
  expect(await peer.texts(10)).toEqual(Array(10).fill("now\n"));
  await eventually("all handlers have ended", () => rig.descendants().length === 0);
  expect(await rig.status()).toMatchObject({ services: [{ accepted: 10, spawned: 10, start_failures: 0 }] });
});

test("a handler that does not read fills its own queue, counted, and holds up nobody", async () => {
  await using rig = await service();
  const port = await rig.port("flows");
  await using stuck = await udpPeer();
  await using other = await udpPeer();
  const pid = Number((await stuck.ask(port, "pid")).text);
  expect((await stuck.ask(port, "hang")).text).toBe("done");
  const sent = 2000;
  for (let i = 0; i < sent; i++) {
    await stuck.send(port, `${i}`);
    // The daemon reads one queue: once this is answered, all before it have been dealt with.
    if (i % 250 === 249) expect((await other.ask(port, `${i}`)).text).toBe(`${i}`);
  }
  process.kill(pid, "SIGKILL");
  const end = await closed(rig, stuck);
  expect(end.datagrams_dropped).toBeGreaterThan(1000);
  // "pid" and "hang", and what the queue had room for: that has gone to the next handler.
  expect(end.datagrams_in).toBe(2);
  const echoed = sent - (end.datagrams_dropped ?? 0);
  expect(await stuck.texts(echoed)).toEqual(Array.from({ length: echoed }, (_, i) => `${i}`));
});

test("at the end of the daemon no flow's handler is left", async () => {
  await using rig = await service();
  const port = await rig.port("flows");
  await using crowd = await udpPeers(5);
  const pids: number[] = [];
  for (const peer of crowd.peers) pids.push(Number((await peer.ask(port, "pid")).text));
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  expect(pids.filter(isAlive)).toEqual([]);
  for (const peer of crowd.peers) expect((await closed(rig, peer)).datagrams_in).toBe(1);
});
