/** Two sockets behind one path: clients are turned from one to the other, and nobody is refused by that. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { READABLE } from "../../../src/native/sys.ts";
import type { Endpoint } from "../../../src/net/address.ts";
import { countConnections } from "../../../src/net/diag.ts";
import { type BoundListener, openListener } from "../../../src/net/listen.ts";
import { leadsToTwin } from "../../../src/net/listener.ts";
import type { ListenerOptions } from "../../../src/net/options.ts";
import { addTwin, dropForTwin, swapTwins, turnPath, twinOf } from "../../../src/net/twin.ts";
import { close, open, refusal, sys, workplace } from "./support.ts";

const { path } = workplace();
const kinds = ["unix", "unix-seqpacket"] as const;
const types = { unix: "stream", "unix-seqpacket": "seqpacket" } as const;
const options: ListenerOptions = { name: "test", backlog: 4096 };

/** A folder with nothing in it, and a path in there. */
function place(name: string): { folder: string; where: string } {
  const folder = path(name);
  mkdirSync(folder);
  return { folder, where: join(folder, "x.sock") };
}

async function openPair(
  where: string,
  kind: (typeof kinds)[number] = "unix",
  more: Partial<ListenerOptions> = {},
): Promise<BoundListener> {
  const [listener] = await open({ kind, path: where }, more, { twins: true });
  return listener;
}

function twin(listener: BoundListener): BoundListener {
  const found = twinOf(listener);
  if (found === null) throw new Error("it has no twin");
  return found;
}

/** A client of the path; its connection waits in a queue. */
function knock(where: string, kind: (typeof kinds)[number] = "unix"): number {
  const fd = sys.socket("unix", types[kind]);
  sys.connect(fd, { family: "unix", path: where });
  return fd;
}

/** In whose queue somebody waits. */
function waiting(listener: BoundListener): { workers: boolean; twin: boolean } {
  const waits = ({ fd }: BoundListener) => (sys.poll(fd) & READABLE) !== 0;
  return { workers: waits(listener), twin: waits(twin(listener)) };
}

describe.each(kinds)("%s", (kind) => {
  test("both have the declared name, mode and options; one node stands aside", async () => {
    const { folder, where } = place(`names-${kind}`);
    const listener = await openPair(where, kind, { mode: 0o640, sendBuffer: 40_000 });
    for (const { fd } of [listener, twin(listener)]) {
      expect(sys.getsockname(fd)).toEqual({ family: "unix", path: where });
      const { SOL_SOCKET = -1, SO_SNDBUF = -1 } = sys.constants;
      expect(sys.getsockopt(fd, SOL_SOCKET, SO_SNDBUF)).toBe(80_000);
    }
    expect(readdirSync(folder).toSorted()).toEqual([".x.sock.tinetd-twin", "x.sock"]);
    for (const name of readdirSync(folder)) expect(lstatSync(join(folder, name)).mode & 0o7777).toBe(0o640);
    close(listener);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("the path leads to one, or to the other", async () => {
    const { where } = place(`turns-${kind}`);
    const listener = await openPair(where, kind);
    const clients = [knock(where, kind)];
    expect(waiting(listener)).toEqual({ workers: true, twin: false });
    expect([turnPath(sys, listener, true), leadsToTwin(listener)]).toEqual([true, true]);
    expect(turnPath(sys, listener, true)).toBe(false);
    clients.push(knock(where, kind));
    expect(waiting(listener)).toEqual({ workers: true, twin: true });
    swapTwins(listener);
    expect(leadsToTwin(listener)).toBe(false);
    for (const fd of clients) sys.close(fd);
  });
});

test("the connections of each are counted by themselves, whatever its node is called", async () => {
  const { where } = place("counted");
  const listener = await openPair(where);
  const clients = [knock(where)];
  const accepted = [sys.accept(listener.fd)?.fd ?? -1];
  turnPath(sys, listener, true);
  clients.push(knock(where), knock(where));
  accepted.push(sys.accept(twin(listener).fd)?.fd ?? -1);
  const netlink = sys.socket("netlink", "raw", sys.constants.NETLINK_SOCK_DIAG);
  expect(countConnections(sys, netlink, [listener, twin(listener)])).toEqual({
    ok: true,
    value: [
      { held: 1, queued: 0, handshakes: 0 },
      { held: 1, queued: 1, handshakes: 0 },
    ],
  });
  for (const fd of [netlink, ...clients, ...accepted]) sys.close(fd);
});

test("nobody who connects while the path is turned is refused", async () => {
  const { where } = place("hammered");
  const listener = await openPair(where);
  const turns = 2_000;
  const flags = new Int32Array(new SharedArrayBuffer(8));
  const [stop, made] = [0, 1];
  const script = `
    const { createConnection } = require("node:net");
    const { parentPort, workerData: { flags, where, stop, made } } = require("node:worker_threads");
    const again = () => {
      if (Atomics.load(flags, stop) === 1) return parentPort.postMessage("no error");
      const client = createConnection(where);
      client.on("error", (error) => parentPort.postMessage(error.code));
      client.on("connect", () => { Atomics.add(flags, made, 1); client.destroy(); });
      client.on("close", again);
    };
    again();`;
  const worker = new Worker(script, { eval: true, workerData: { flags, where, stop, made } });
  const said = new Promise((resolve) => worker.once("message", resolve));
  const ended = new Promise((resolve) => worker.once("exit", resolve));
  for (let n = 0; n < turns || Atomics.load(flags, made) < 200; n++) {
    turnPath(sys, listener, n % 2 === 0);
    for (const { fd } of [listener, twin(listener)]) {
      for (let one = sys.accept(fd); one !== null; one = sys.accept(fd)) sys.close(one.fd);
    }
  }
  Atomics.store(flags, stop, 1);
  expect(await said).toBe("no error");
  await ended;
});

test("a path of the full length has a twin too, and a stale one beside it is replaced", async () => {
  const { folder } = place("long");
  const where = join(folder, "x".repeat(107 - folder.length - 1));
  const first = await openPair(where);
  expect(first.twin).not.toBeNull();
  // As a daemon that was killed leaves them.
  for (const fd of [first.fd, first.twin?.fd ?? -1]) sys.shutdown(fd, "both");
  const second = await openListener(
    sys,
    { endpoint: { kind: "unix", path: where } as Endpoint, options },
    { twins: true },
  );
  expect(second.ok && second.value[0]?.twin?.node.inode).not.toBe(first.twin?.node.inode);
  if (second.ok) for (const listener of second.value) await turnAndClose(listener, where);
  close(first);
  expect(readdirSync(folder)).toEqual([]);
});

async function turnAndClose(listener: BoundListener, where: string): Promise<void> {
  expect(turnPath(sys, listener, true)).toBe(true);
  const client = knock(where);
  expect(waiting(listener)).toEqual({ workers: false, twin: true });
  sys.close(client);
  sys.close(listener.fd);
  sys.close(listener.twin?.fd ?? -1);
  for (const node of [listener.node, listener.twin?.node ?? null]) if (node !== null) unlinkSync(node.path);
}

test("what stands in the twin's place and is served, or no socket, is left alone, and nothing is bound", async () => {
  const { folder, where } = place("obstacle");
  const aside = join(folder, ".x.sock.tinetd-twin");
  writeFileSync(aside, "");
  const endpoint: Endpoint = { kind: "unix", path: where };
  expect(await refusal(endpoint, {}, { twins: true })).toMatchObject({ code: "EEXIST" });
  unlinkSync(aside);
  const [other] = await open({ kind: "unix", path: aside });
  expect(await refusal(endpoint, {}, { twins: true })).toMatchObject({
    code: "EADDRINUSE",
    pid: process.pid,
  });
  expect(readdirSync(folder)).toEqual([".x.sock.tinetd-twin"]);
  close(other);
});

test("a node of somebody else at the path is neither moved nor removed", async () => {
  const { folder, where } = place("replaced");
  const listener = await openPair(where);
  unlinkSync(where);
  writeFileSync(where, "another's");
  expect(turnPath(sys, listener, true)).toBe(false);
  expect(leadsToTwin(listener)).toBe(false);
  close(listener);
  expect(readdirSync(folder)).toEqual(["x.sock"]);
});

test("where a file system cannot exchange nodes, there is one socket, at its path", async () => {
  const { folder, where } = place("alone");
  const exchangePaths = () => {
    throw Object.assign(new Error("renameat2 EINVAL"), { code: "EINVAL", errno: -22, syscall: "renameat2" });
  };
  const opened = await openListener(
    { ...sys, exchangePaths },
    { endpoint: { kind: "unix", path: where } as Endpoint, options },
    { twins: true },
  );
  if (!opened.ok) throw new Error(opened.error.reason);
  const [listener] = opened.value;
  if (listener === undefined) throw new Error("no listener");
  expect(listener.twin).toBeNull();
  expect(readdirSync(folder)).toEqual(["x.sock"]);
  const client = knock(where);
  expect(sys.poll(listener.fd)).toBe(READABLE);
  sys.close(client);
  renameSync(where, `${where}.gone`);
  sys.close(listener.fd);
  expect(existsSync(where)).toBe(false);
});

test("one that a handler has shut down is replaced, and who waits at the other goes on waiting", async () => {
  const { folder, where } = place("shut");
  const listener = await openPair(where);
  const [shut, kept] = [listener.fd, twin(listener).fd];
  turnPath(sys, listener, true);
  const first = knock(where);
  sys.shutdown(shut, "both");
  dropForTwin(sys, listener);
  expect([listener.fd, listener.twin]).toEqual([kept, null]);
  expect(addTwin(sys, listener, options).ok).toBe(true);
  expect(waiting(listener)).toEqual({ workers: true, twin: false });
  expect(turnPath(sys, listener, true)).toBe(true);
  const second = knock(where);
  expect(waiting(listener)).toEqual({ workers: true, twin: true });
  expect(readdirSync(folder).toSorted()).toEqual([".x.sock.tinetd-twin", "x.sock"]);
  for (const fd of [first, second]) sys.close(fd);
});
