/** net/diag.ts against the kernel: what is open at a listener and who waits in its queue, whatever its kind. */
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Fd, type SocketAddress, WRITABLE } from "../../src/native/sys.ts";
import {
  countConnections,
  queuedConnections,
  sampleConnection,
  sampleConnections,
} from "../../src/net/diag.ts";
import { type ListenerKind, socketTypes } from "../../src/net/kind.ts";
import type { BoundListener } from "../../src/net/listener.ts";
import { queueLength } from "../../src/net/waiting.ts";
import { expectNoLeaks } from "./leaks.ts";
import { ready, sys } from "./support.ts";

expectNoLeaks();

const { NETLINK_SOCK_DIAG = -1, SOL_SOCKET = -1, SO_LINGER = -1, SO_REUSEPORT = -1 } = sys.constants;
const { IPPROTO_TCP = -1, TCP_DEFER_ACCEPT = -1 } = sys.constants;

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

/** The descriptors of a test, closed at its end. */
const open = new Set<Fd>();
afterEach(() => {
  for (const fd of open) sys.close(fd);
  open.clear();
});

function keep(fd: Fd): Fd {
  open.add(fd);
  return fd;
}

function close(fd: Fd): void {
  open.delete(fd);
  sys.close(fd);
}

function bound(fd: Fd, kind: ListenerKind): BoundListener {
  const address = sys.getsockname(fd);
  return {
    fd,
    kind,
    address,
    canonical: "",
    name: "",
    backlog: 16,
    node: null,
    twin: null,
    settings: null,
  };
}

function tcp(address: string, port = 0, share = false): BoundListener {
  const at: SocketAddress = address.includes(":")
    ? { family: "inet6", address, port, scope: 0 }
    : { family: "inet", address, port };
  const fd = keep(sys.socket(at.family, "stream"));
  if (share) sys.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  sys.bind(fd, at);
  sys.listen(fd, 16);
  return bound(fd, "tcp");
}

function portOf({ address }: BoundListener): number {
  return address.family === "unix" ? 0 : address.port;
}

function unix(kind: "unix" | "unix-seqpacket", path: string): BoundListener {
  const fd = keep(sys.socket("unix", socketTypes[kind]));
  sys.bind(fd, { family: "unix", path });
  sys.listen(fd, 16);
  return bound(fd, kind);
}

async function dial(kind: ListenerKind, to: SocketAddress): Promise<Fd> {
  const fd = keep(sys.socket(to.family, kind === "unix-seqpacket" ? "seqpacket" : "stream"));
  sys.connect(fd, to);
  await ready(fd, WRITABLE);
  return fd;
}

/** A client in the listener's queue: it may itself think so a moment earlier. */
async function connect(listener: BoundListener, to: SocketAddress = listener.address): Promise<Fd> {
  const length = () => queuedConnections(sys, netlink, listener).length;
  const before = length();
  const fd = await dial(listener.kind, to);
  await expect.poll(length, { interval: 1 }).toBe(before + 1);
  return fd;
}

async function accept({ fd }: BoundListener): Promise<Fd> {
  await ready(fd);
  return keep(sys.accept(fd)?.fd ?? -1);
}

/** Closes with a reset. */
function abort(fd: Fd): void {
  sys.setsockopt(fd, SOL_SOCKET, SO_LINGER, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]));
  close(fd);
}

function count(...listeners: BoundListener[]): unknown {
  const counted = countConnections(sys, netlink, listeners);
  return counted.ok
    ? counted.value.map(({ held, queued, handshakes }) => [held, queued, handshakes])
    : counted;
}

const kinds: [string, () => BoundListener, SocketAddress["family"]?][] = [
  ["IPv4", () => tcp("127.0.0.1")],
  ["the IPv4 wildcard", () => tcp("0.0.0.0"), "inet"],
  ["IPv6", () => tcp("::1")],
  ["both, with an IPv6 client", () => tcp("::"), "inet6"],
  ["both, with an IPv4 client", () => tcp("::"), "inet"],
  ["Unix", () => unix("unix", join(directory, "stream"))],
  ["Unix, by message", () => unix("unix-seqpacket", join(directory, "seqpacket"))],
  ["Unix without a node", () => unix("unix", `@tinetd-test-${process.pid}`)],
];

describe.each(kinds)("%s", (_name, make, family) => {
  let listener: BoundListener;
  let to: SocketAddress;
  beforeEach(() => {
    listener = make();
    const port = portOf(listener);
    to = listener.address;
    if (family === "inet") to = { family, address: "127.0.0.1", port };
    if (family === "inet6") to = { family, address: "::1", port, scope: 0 };
  });
  afterEach(() => {
    if (listener.address.family === "unix" && listener.address.path?.startsWith("/")) {
      rmSync(listener.address.path, { force: true });
    }
  });

  test("open connections, from the first knock to the last goodbye", async () => {
    expect(count(listener)).toEqual([[0, 0, 0]]);
    const clients = [await connect(listener, to), await connect(listener, to)];
    expect(count(listener)).toEqual([[0, 2, 0]]);
    const first = await accept(listener);
    expect(count(listener)).toEqual([[1, 1, 0]]);
    sys.shutdown(clients[0] ?? -1, "write");
    await ready(first);
    expect(count(listener)).toEqual([[1, 1, 0]]);
    close(first);
    expect(count(listener)).toEqual([[0, 1, 0]]);
    close(await accept(listener));
    expect(count(listener)).toEqual([[0, 0, 0]]);
  });

  test("who waits keeps a name, and whoever is taken loses it", async () => {
    expect(queuedConnections(sys, netlink, listener)).toEqual([]);
    await connect(listener, to);
    const [first] = queuedConnections(sys, netlink, listener);
    await connect(listener, to);
    const both = queuedConnections(sys, netlink, listener);
    expect(both).toContain(first);
    expect(new Set(both).size).toBe(2);
    await accept(listener);
    const second = both.filter((name) => name !== first);
    expect(queuedConnections(sys, netlink, listener)).toEqual(second);
    await accept(listener);
    expect(queuedConnections(sys, netlink, listener)).toEqual([]);
  });

  test("whoever gives up in the queue is still to be accepted", async () => {
    const [gone, alive] = [await connect(listener, to), await connect(listener, to)];
    const named = queuedConnections(sys, netlink, listener);
    abort(gone);
    await expect
      .poll(() => queuedConnections(sys, netlink, listener), { interval: 1 })
      .toContain("unnamed 1");
    const later = queuedConnections(sys, netlink, listener);
    expect(later).toHaveLength(2);
    expect(later.filter((name) => named.includes(name))).toHaveLength(1);
    expect(count(listener)).toEqual([[0, 2, 0]]);
    await accept(listener);
    expect(queuedConnections(sys, netlink, listener)).toEqual(later.filter((name) => name !== "unnamed 1"));
    close(alive);
  });
});

test.each(["127.0.0.1", "::1"])(
  "the length of the queue at %s, without names: only accepting makes it shorter",
  async (address) => {
    const listener = tcp(address);
    expect(queueLength(sys, listener)).toBe(0);
    const gone = await connect(listener);
    await connect(listener);
    expect(queueLength(sys, listener)).toBe(2);
    abort(gone);
    await expect
      .poll(() => queuedConnections(sys, netlink, listener), { interval: 1 })
      .toContain("unnamed 1");
    expect(queueLength(sys, listener)).toBe(2);
    await accept(listener);
    expect(queueLength(sys, listener)).toBe(1);
    sys.shutdown(listener.fd, "both");
    expect(queueLength(sys, listener)).toBe(0);
  },
);

test("the length of a queue is left out where names are as cheap", () => {
  expect(queueLength(sys, unix("unix", join(directory, "length")))).toBeNull();
});

test("a handshake that waits for its first byte (TCP_DEFER_ACCEPT)", async () => {
  const listener = tcp("127.0.0.1");
  sys.setsockopt(listener.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 30);
  const client = await dial("tcp", listener.address);
  expect(count(listener)).toEqual([[0, 0, 1]]);
  expect(queuedConnections(sys, netlink, listener)).toEqual([]);
  sys.write(client, Buffer.from("x"));
  await ready(listener.fd);
  expect(count(listener)).toEqual([[0, 1, 0]]);
});

test("the most specific listener wins", async () => {
  const wide = tcp("0.0.0.0", 0, true);
  const port = portOf(wide);
  const narrow = tcp("127.0.0.1", port, true);
  await connect(narrow);
  for (const address of ["127.0.0.2", "127.0.0.3"]) await connect(wide, { family: "inet", address, port });
  expect(count(wide, narrow)).toEqual([
    [0, 2, 0],
    [0, 1, 0],
  ]);
  // Also where the other is not ours.
  expect(count(wide)).toEqual([[0, 2, 0]]);
  await accept(wide);
  await accept(narrow);
  expect(count(narrow, wide)).toEqual([
    [1, 0, 0],
    [1, 1, 0],
  ]);
});

test("a listener that a handler has shut down keeps its connections", async () => {
  const listener = tcp("127.0.0.1");
  await connect(listener);
  await accept(listener);
  sys.shutdown(listener.fd, "both");
  expect(count(listener)).toEqual([[1, 0, 0]]);
});

test("the connections of a node and of its successor", async () => {
  const path = join(directory, "node");
  const old = unix("unix", path);
  await connect(old);
  await accept(old);
  await connect(old);
  renameSync(path, `${path}-away`);
  const young = unix("unix", path);
  await connect(young);
  expect(count(old, young)).toEqual([
    [1, 1, 0],
    [0, 1, 0],
  ]);
});

test("several listeners of several kinds at once, and kinds that take no connections", async () => {
  const datagrams = keep(sys.socket("inet", "dgram"));
  sys.bind(datagrams, { family: "inet", address: "127.0.0.1", port: 0 });
  const listeners = [
    unix("unix", join(directory, "several")),
    tcp("127.0.0.1"),
    bound(datagrams, "udp"),
    tcp("::1"),
    tcp("127.0.0.1"),
  ];
  for (const position of [0, 1, 1, 3, 4, 4, 4]) await connect(listeners[position] ?? tcp("127.0.0.1"));
  expect(count(...listeners)).toEqual([1, 2, 0, 1, 3].map((queued) => [0, queued, 0]));
  expect(count()).toEqual([]);
});

test("samples of TCP connections: bytes, ends and idle time", async () => {
  const listener = tcp("::");
  const client = await connect(listener, { family: "inet", address: "127.0.0.1", port: portOf(listener) });
  const server = await accept(listener);
  sys.write(client, Buffer.alloc(7));
  await ready(server);
  const cookie = sys.socketCookie(server);
  const expected = {
    cookie,
    state: "established",
    held: true,
    local: { family: "inet", address: "127.0.0.1", port: portOf(listener) },
    remote: sys.getsockname(client),
    bytesSent: 0,
    bytesReceived: 7,
    idleMs: expect.any(Number),
    receiveQueue: 7,
    sendQueue: 0,
  };
  expect(sampleConnections(sys, netlink, [listener])).toEqual({ ok: true, value: [expected] });
  const mapped = { local: sys.getsockname(server), remote: sys.getpeername(server), cookie };
  expect(sampleConnection(sys, netlink, mapped)).toEqual({ ok: true, value: expected });
  // By the plain IPv4 addresses as well.
  expect(sampleConnection(sys, netlink, { ...expected, local: expected.local as SocketAddress })).toEqual({
    ok: true,
    value: expected,
  });
  sys.read(server, Buffer.alloc(10));
  sys.shutdown(client, "write");
  await ready(server);
  const after = { ...expected, state: "close-wait", receiveQueue: 1 };
  expect(sampleConnection(sys, netlink, mapped)).toEqual({ ok: true, value: after });
  abort(server);
  expect(sampleConnection(sys, netlink, mapped)).toEqual({ ok: true, value: null });
});

test("what the kernel refuses is a failure with its reason, not an exception", () => {
  const listener = tcp("127.0.0.1");
  const other = keep(sys.socket("inet", "dgram"));
  const counted = countConnections(sys, other, [listener]);
  expect(counted).toEqual({ ok: false, error: expect.stringMatching(/^sock_diag E/) });
  expect(queuedConnections(sys, other, listener)).toEqual([]);
  expect(queuedConnections(sys, other, unix("unix", join(directory, "refused")))).toEqual([]);
});
