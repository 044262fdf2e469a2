/** sock_diag(7) for Unix sockets: queues, names and nodes, and that accepted sockets are told from others. */
import { fstatSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { UnixDiagRows } from "../../src/native/diag.ts";
import type { Fd, SocketType } from "../../src/native/sys.ts";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, isRoot, node, run, sys } from "./support.ts";

expectNoLeaks();

const { NETLINK_SOCK_DIAG = -1, TCP_ESTABLISHED = -1, TCP_LISTEN = -1, SOCK_SEQPACKET = -1 } = sys.constants;
const bothStates = (1 << TCP_ESTABLISHED) | (1 << TCP_LISTEN);

let netlink: Fd = -1;
let directory = "";
beforeAll(() => {
  netlink = sys.socket("netlink", "raw", NETLINK_SOCK_DIAG);
  directory = mkdtempSync(join(tmpdir(), "tinetd-test-"));
});
afterAll(() => {
  sys.close(netlink);
  rmSync(directory, { recursive: true });
});

function listen(path: string, type: SocketType = "stream", backlog = 16): Fd {
  const fd = sys.socket("unix", type);
  sys.bind(fd, { family: "unix", path });
  sys.listen(fd, backlog);
  return fd;
}

function connect(path: string, type: SocketType = "stream"): Fd {
  const fd = sys.socket("unix", type);
  expect(sys.connect(fd, { family: "unix", path })).toBe(true);
  return fd;
}

function rowOf(rows: UnixDiagRows, fd: Fd): number {
  return rows.cookie.indexOf(BigInt(sys.socketCookie(fd)));
}

function pendingAt(rows: UnixDiagRows, fd: Fd): number[] {
  const row = rowOf(rows, fd);
  const start = rows.pendingStart[row] ?? 0;
  return [...rows.pending.subarray(start, start + (rows.pendingCount[row] ?? 0))];
}

function nodeOf(rows: UnixDiagRows, fd: Fd): unknown[] {
  const row = rowOf(rows, fd);
  return [rows.hasNode[row], rows.nodeInode[row], rows.nodeDevice[row]];
}

describe.each(["stream", "seqpacket"] as const)("%s", (type) => {
  test("who waits in a queue, and who has been accepted", () => {
    const path = join(directory, type);
    const [listener, other] = [listen(path, type), listen(`${path}-other`, type)];
    const clients = [connect(path, type), connect(path, type)];
    const elsewhere = connect(`${path}-other`, type);
    const rows = sys.unixDiag(netlink, bothStates, true);
    expect(rows.inconsistent).toBe(false);
    expect(pendingAt(rows, listener)).toEqual(clients.map((fd) => fstatSync(fd).ino));
    expect(pendingAt(rows, other)).toEqual([fstatSync(elsewhere).ino]);
    const row = rowOf(rows, listener);
    expect([rows.name[row], rows.state[row], rows.inode[row]]).toEqual([
      path,
      TCP_LISTEN,
      fstatSync(listener).ino,
    ]);
    expect([rows.receiveQueue[row], rows.sendQueue[row]]).toEqual([2, 16]);
    expect(rows.type[row] === SOCK_SEQPACKET).toBe(type === "seqpacket");

    const server = sys.accept(listener)?.fd ?? -1;
    const later = sys.unixDiag(netlink, bothStates, true);
    expect(pendingAt(later, listener)).toEqual([fstatSync(clients[1] ?? -1).ino]);
    expect(later.name[rowOf(later, server)]).toBe(path);
    expect(later.peerInode[rowOf(later, server)]).toBe(fstatSync(clients[0] ?? -1).ino);
    expect(nodeOf(later, server)).toEqual(nodeOf(later, listener));
    expect(later.name[rowOf(later, clients[0] ?? -1)]).toBeNull();
    closeAll(listener, other, server, elsewhere, ...clients);
  });
});

test("a client that has closed its end still waits, without an inode", () => {
  const path = join(directory, "gone");
  const listener = listen(path);
  sys.close(connect(path));
  const rows = sys.unixDiag(netlink, 1 << TCP_LISTEN, true);
  expect(pendingAt(rows, listener)).toEqual([0]);
  expect(rows.receiveQueue[rowOf(rows, listener)]).toBe(1);
  sys.close(listener);
});

test("two listeners that were bound to one path have different nodes, and so have their connections", () => {
  const path = join(directory, "twice");
  const first = listen(path);
  const early = connect(path);
  renameSync(path, `${path}-away`);
  const second = listen(path);
  const late = connect(path);
  const servers = [sys.accept(first)?.fd ?? -1, sys.accept(second)?.fd ?? -1] as const;
  const rows = sys.unixDiag(netlink, bothStates, false);
  expect(servers.map((fd) => rows.name[rowOf(rows, fd)])).toEqual([path, path]);
  expect(nodeOf(rows, servers[0])).toEqual(nodeOf(rows, first));
  expect(nodeOf(rows, servers[1])).toEqual(nodeOf(rows, second));
  expect(nodeOf(rows, first)).not.toEqual(nodeOf(rows, second));
  closeAll(first, second, early, late, ...servers);
});

test("names of the abstract namespace, whatever is in them", () => {
  const path = `@tinetd-test\0${process.pid}`;
  const listener = listen(path);
  const rows = sys.unixDiag(netlink, 1 << TCP_LISTEN, false);
  const row = rowOf(rows, listener);
  expect([rows.name[row], rows.hasNode[row]]).toEqual([path, 0]);
  sys.close(listener);
});

test("a queue is told only if it is asked for, its length always", () => {
  const path = join(directory, "length");
  const listener = listen(path);
  const client = connect(path);
  const rows = sys.unixDiag(netlink, 1 << TCP_LISTEN, false);
  expect([rows.pending.length, rows.receiveQueue[rowOf(rows, listener)]]).toEqual([0, 1]);
  closeAll(listener, client);
});

test("without privilege", async ({ skip }) => {
  if (!isRoot) return skip("the other tests do so already");
  const path = join(directory, "unprivileged");
  const listener = listen(path);
  const client = connect(path);
  const { output } = await run(
    node(`process.setgroups([]); process.setgid(65534); process.setuid(65534);
      const netlink = sys.socket("netlink", "raw", ${NETLINK_SOCK_DIAG});
      const rows = sys.unixDiag(netlink, ${1 << TCP_LISTEN}, true);
      console.log(rows.pending[rows.pendingStart[rows.cookie.indexOf(${sys.socketCookie(listener)}n)]]);`),
  );
  expect(output).toBe(`${fstatSync(client).ino}\n`);
  closeAll(listener, client);
});
