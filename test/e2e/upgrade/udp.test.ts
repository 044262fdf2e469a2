/** UDP peers over an upgrade of the whole daemon: each stays with its handler, and no datagram is lost or sent twice. */
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { startDaemon } from "../rig/daemon.ts";
import { eventually } from "../rig/proc.ts";
import { type Peer, udpPeer, udpPeers } from "../udp/peers.ts";
import { upgrade } from "./tools.ts";

/** Bursts of this test must find room in the kernel: what does not reach the daemon is not its doing. */
const roomy = 'socket = { receive_buffer = "4M" }\n';

const service = (rest = "", argument = "") =>
  startDaemon(
    ({ fixture }) =>
      `[services.flows]\nlisten = "udp://127.0.0.1:0"\ncommand = ["${fixture("datagrams")}"${argument}]\n${roomy}${rest}`,
  );

const pidOf = async (peer: Peer, port: number) => (await peer.ask(port, "pid")).text;

test("peers stay with their handlers, and all is counted as one exchange", async () => {
  await using rig = await service();
  await upgrade(rig);
  const before = rig.descriptors();
  const port = await rig.port("flows");
  await using crowd = await udpPeers(5);
  const pids: string[] = [];
  for (const peer of crowd.peers) pids.push(await pidOf(peer, port));
  for (let round = 0; round < 2; round++) {
    await upgrade(rig);
    for (const [n, peer] of crowd.peers.entries()) expect(await pidOf(peer, port)).toBe(pids[n]);
  }
  expect((await rig.status()).services[0]).toMatchObject({ accepted: 5, connections: 5, refused: {} });
  for (const peer of crowd.peers) await peer.send(port, "exit 0");
  for (const { name } of crowd.peers) {
    expect(await rig.event("connection.closed", { remote: name })).toMatchObject({
      code: 0,
      datagrams_in: 4,
      datagrams_out: 3,
      bytes_in: 15,
      datagrams_dropped: 0,
    });
  }
  await eventually("no descriptor is left over", () => rig.descriptors() <= before);
});

test("a stream of datagrams during upgrades: each is answered once, in order", async () => {
  await using rig = await service();
  const port = await rig.port("flows");
  await using crowd = await udpPeers(5);
  let isOver = false;
  const upgrades = (async () => {
    for (let round = 0; round < 3; round++) await upgrade(rig);
    isOver = true;
  })();
  const counts = await Promise.all(
    crowd.peers.map(async (peer) => {
      let sent = 0;
      let answered = 0;
      // A few at a time, so that no queue on the way is ever full.
      while (!isOver) {
        for (const end = sent + 5; sent < end; sent++) await peer.send(port, `${sent}`);
        for (; answered < sent; answered++) expect((await peer.receive()).text).toBe(`${answered}`);
      }
      return sent;
    }),
  );
  await upgrades;
  expect((await rig.status()).services[0]).toMatchObject({ accepted: 5, refused: {} });
  for (const [n, peer] of crowd.peers.entries()) {
    await peer.send(port, "exit 0");
    expect(await rig.event("connection.closed", { remote: peer.name })).toMatchObject({
      datagrams_in: (counts[n] ?? 0) + 1,
      datagrams_out: counts[n],
      datagrams_dropped: 0,
    });
  }
});

test("who waits for a handler still does, with all that he has sent", async () => {
  await using rig = await service("max_instances = 1");
  const port = await rig.port("flows");
  await using served = await udpPeer();
  await using waits = await udpPeer();
  await pidOf(served, port);
  await waits.send(port, "one");
  expect((await served.ask(port, "here")).text).toBe("here");
  await upgrade(rig);
  await waits.send(port, "two");
  expect((await served.ask(port, "still here")).text).toBe("still here");
  expect((await rig.status()).services[0]).toMatchObject({ accepted: 1, refused: {}, state: "limited" });
  await served.send(port, "exit 0");
  expect(await waits.texts(2)).toEqual(["one", "two"]);
});

test("an idle flow ends, and its handler's last words go to its peer", async () => {
  await using rig = await service('idle_timeout = "2s"', ', "last words"');
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  const first = await pidOf(peer, port);
  await upgrade(rig);
  expect((await peer.receive()).text).toBe("last words");
  expect(await rig.event("connection.closed")).toMatchObject({ code: 0, datagrams_out: 2 });
  expect(await pidOf(peer, port)).not.toBe(first);
});

test("what a handler has not read goes to the next one", async () => {
  await using rig = await service();
  const port = await rig.port("flows");
  await using peer = await udpPeer();
  const pid = Number(await pidOf(peer, port));
  expect((await peer.ask(port, "hang")).text).toBe("done");
  for (const word of ["one", "two"]) await peer.send(port, word);
  await using other = await udpPeer();
  // The socket is read in order.
  await pidOf(other, port);
  await upgrade(rig);
  await peer.send(port, "three");
  await pidOf(other, port);
  process.kill(pid, "SIGKILL");
  expect(await peer.texts(3)).toEqual(["one", "two", "three"]);
  expect(await rig.event("connection.closed", { pid })).toMatchObject({ datagrams_in: 2 });
});

test("after a reload as well: the old handlers have their peers, the new ones all others", async () => {
  let program = "";
  const text = (which: string) => `
[services.flows]
listen        = "udp://127.0.0.1:0"
command       = "${program}"
environment   = { WHICH = "${which}" }
max_instances = 2
`;
  await using rig = await startDaemon(({ fixture }) => {
    program = fixture("datagrams");
    return text("old");
  });
  const port = await rig.port("flows");
  const which = async (peer: Peer) => (await peer.ask(port, "get WHICH")).text;
  await using crowd = await udpPeers(3);
  const [early, late, waits] = crowd.peers as [Peer, Peer, Peer];
  expect(await which(early)).toBe("old");
  writeFileSync(rig.configPath, `${text("new")}[defaults]\nuser = "nobody"\n`);
  rig.signal("SIGHUP");
  await rig.event("daemon.reload");
  expect(await which(late)).toBe("new");
  await waits.send(port, "one");
  expect(await which(early)).toBe("old");
  for (let round = 0; round < 2; round++) {
    await upgrade(rig);
    expect([await which(early), await which(late)]).toEqual(["old", "new"]);
  }
  await waits.send(port, "get WHICH");
  await early.send(port, "exit 0");
  expect(await waits.texts(2)).toEqual(["one", "new"]);
});

test("a service that is stopped then has none of them left, nor has a daemon that ends", async () => {
  await using rig = await service('stop_timeout = "1s"');
  const port = await rig.port("flows");
  await using crowd = await udpPeers(3);
  for (const peer of crowd.peers) await pidOf(peer, port);
  await upgrade(rig);
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  for (const { name } of crowd.peers) {
    expect(await rig.event("connection.closed", { remote: name })).toMatchObject({ datagrams_in: 1 });
  }
});
