/** Limits of a UDP service: who waits, where, and who is turned away. */
import { execFileSync } from "node:child_process";
import { renameSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { asRoot, needs } from "../rig/needs.ts";
import { eventually } from "../rig/proc.ts";
import { type Peer, udpPeer, udpPeers } from "./peers.ts";

const service = (rest: string) =>
  startDaemon(
    ({ fixture }) =>
      `[services.flows]\nlisten = "udp://127.0.0.1:0"\ncommand = "${fixture("datagrams")}"\n${rest}`,
  );

describe('max_instances with on_limit = "queue"', () => {
  test("others wait their turn with all their datagrams, and those who are in go on", async () => {
    await using rig = await service("max_instances = 2");
    const before = rig.descriptors();
    const port = await rig.port("flows");
    await using crowd = await udpPeers(4);
    const [ann, bob, cyd, dan] = crowd.peers as [Peer, Peer, Peer, Peer];
    await ann.ask(port, "pid");
    await bob.ask(port, "pid");
    await rig.event("service.state", { state: "limited", reason: "limit" });
    for (let round = 1; round <= 3; round++) {
      await cyd.send(port, `cyd ${round}`);
      await dan.send(port, `dan ${round}`);
      // Behind the others in the one queue that there is.
      expect((await ann.ask(port, `ann ${round}`)).text).toBe(`ann ${round}`);
      expect((await bob.ask(port, `bob ${round}`)).text).toBe(`bob ${round}`);
    }
    expect((await rig.status()).services[0]).toMatchObject({ accepted: 2, refused: {}, state: "limited" });
    await ann.send(port, "exit 0");
    expect(await cyd.texts(3)).toEqual(["cyd 1", "cyd 2", "cyd 3"]);
    expect((await rig.status()).services[0]).toMatchObject({ accepted: 3, state: "limited" });
    await bob.send(port, "exit 0");
    expect(await dan.texts(3)).toEqual(["dan 1", "dan 2", "dan 3"]);
    for (const peer of [cyd, dan]) await peer.send(port, "exit 0");
    await eventually("no descriptor is left over", () => rig.descriptors() <= before);
    expect((await rig.status()).services[0]).toMatchObject({ accepted: 4, refused: {}, state: "listening" });
  });

  test("who waits may have 64 datagrams there; more are turned away, and counted", async () => {
    await using rig = await service("max_instances = 1");
    const port = await rig.port("flows");
    await using served = await udpPeer();
    await using patient = await udpPeer();
    await served.ask(port, "pid");
    const words = Array.from({ length: 70 }, (_, i) => `${i}`);
    for (const word of words) await patient.send(port, word);
    expect((await served.ask(port, "still here")).text).toBe("still here");
    expect((await rig.status()).services[0]).toMatchObject({ refused: { limit: 6 } });
    await served.send(port, "exit 0");
    expect(await patient.texts(64)).toEqual(words.slice(0, 64));
  });

  test("who still waits at the end of the daemon is turned away", async () => {
    await using rig = await service("max_instances = 1");
    const port = await rig.port("flows");
    await using served = await udpPeer();
    await using patient = await udpPeer();
    await served.ask(port, "pid");
    await patient.send(port, "hello?");
    expect((await served.ask(port, "still here")).text).toBe("still here");
    expect(await rig.stop()).toEqual({ code: 0, signal: null });
    expect(await rig.event("connection.refused")).toMatchObject({ reason: "limit", remote: patient.name });
  });

  test("while a connection of the same service takes the last place, the kernel keeps the datagrams", async () => {
    await using rig = await startDaemon(`
      [services.echo]
      listen        = ["127.0.0.1:0", "udp://127.0.0.1:0"]
      command       = "cat"
      max_instances = 1`);
    const listeners = (await rig.status()).services.flatMap((each) => each.listeners);
    const [tcp = 0, udp = 0] = listeners.map(({ address }) => Number(/:(\d+)$/.exec(address)?.[1]));
    await using peer = await udpPeer();
    {
      await using client = await connect(tcp);
      expect(await client.command("in")).toBe("in");
      for (const word of ["one", "two", "three"]) await peer.send(udp, word);
      expect(await client.command("still in")).toBe("still in");
      expect((await rig.status()).services[0]).toMatchObject({ accepted: 1, refused: {} });
    }
    expect(await peer.texts(3)).toEqual(["one", "two", "three"]);
  });
});

test('with on_limit = "refuse" datagrams of further peers are dropped, and counted', async () => {
  await using rig = await service('max_instances = 1\non_limit = "refuse"');
  const port = await rig.port("flows");
  await using first = await udpPeer();
  await using second = await udpPeer();
  await first.ask(port, "pid");
  for (let i = 0; i < 3; i++) await second.send(port, "let me in");
  expect((await first.ask(port, "hello")).text).toBe("hello");
  expect((await rig.status()).services[0]).toMatchObject({ accepted: 1, refused: { limit: 3 } });
  expect(await rig.event("connection.refused")).toMatchObject({
    reason: "limit",
    remote: second.name,
    local: `udp://127.0.0.1:${port}`,
  });
  await first.send(port, "exit 0");
  await rig.event("connection.closed");
  expect((await second.ask(port, "now?")).text).toBe("now?");
});

test("a handler that cannot be started: the datagram is dropped with the reason; those that wait for it are not", async () => {
  await using rig = await service('start_limit = "2/10s"');
  const program = `${rig.directory}/datagrams`;
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  renameSync(program, `${program}.away`);
  await peer.send(port, "one");
  expect(await rig.event("connection.refused")).toMatchObject({
    reason: "error",
    remote: peer.name,
    error: 'cannot start "flows": exec: ENOENT',
  });
  await peer.send(port, "two");
  await rig.event("service.state", { state: "failed" });
  // Left in the kernel's queue until it is tried again.
  await peer.send(port, "three");
  renameSync(`${program}.away`, program);
  expect((await peer.receive()).text).toBe("three");
  expect((await rig.status()).services[0]).toMatchObject({ accepted: 1, refused: { error: 2 } });
});

needs(asRoot)("a handler for which there is no process: its peer waits", async () => {
  // A user whom nobody else has in these tests. The kernel looks before it counts the new process: two may run.
  await using rig = await service('user = "games"\nlimits = { nproc = 1 }');
  const port = await rig.port("flows");
  await using crowd = await udpPeers(3);
  const [ann, bob, cyd] = crowd.peers as [Peer, Peer, Peer];
  for (const peer of [ann, bob]) await peer.ask(port, "pid");
  for (const word of ["one", "two"]) await cyd.send(port, word);
  expect(await rig.event("service.state", { state: "limited" })).toMatchObject({ reason: "descriptors" });
  await ann.send(port, "exit 0");
  expect(await cyd.texts(2)).toEqual(["one", "two"]);
  expect((await rig.status()).services[0]).toMatchObject({ accepted: 3, refused: {} });
});

test("without descriptors peers wait, and all are served in the end", async () => {
  await using rig = await startDaemon(
    ({ fixture }) => `
      [services.flows]
      listen       = "udp://127.0.0.1:0"
      command      = "${fixture("datagrams")}"
      idle_timeout = "300ms"
      limits       = { nofile = 20 }`,
  );
  const port = await rig.port("flows");
  const before = rig.descriptors();
  // Room for two or three flows. Only now: the daemon needs more while it loads.
  execFileSync("prlimit", [`--pid=${rig.pid}`, `--nofile=${before + 8}`]);
  await using crowd = await udpPeers(8);
  for (const peer of crowd.peers) await peer.send(port, peer.name);
  for (const peer of crowd.peers) expect(await peer.texts(1)).toEqual([peer.name]);
  expect(await rig.event("service.state", { state: "limited" })).toMatchObject({ reason: "descriptors" });
  for (const peer of crowd.peers) await rig.event("connection.closed", { remote: peer.name });
  expect((await rig.status()).services[0]).toMatchObject({ accepted: 8, refused: {} });
  await eventually("no descriptor is left over", () => rig.descriptors() <= before);
});
