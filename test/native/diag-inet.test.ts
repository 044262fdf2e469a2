/** sock_diag(7) for TCP and UDP: which sockets are told, and that what is told of them is true. */
import { fstatSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InetDiagRows } from "../../src/native/diag.ts";
import { type Fd, type SocketAddress, WRITABLE } from "../../src/native/sys.ts";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, failure, isRoot, listenStream, loopback, node, ready, run, sys } from "./support.ts";

expectNoLeaks();

const {
  AF_INET = -1,
  AF_INET6 = -1,
  NETLINK_SOCK_DIAG = -1,
  TCP_ESTABLISHED = -1,
  TCP_CLOSE = -1,
  TCP_CLOSE_WAIT = -1,
  TCP_LISTEN = -1,
} = sys.constants;

let netlink: Fd = -1;
beforeAll(() => {
  netlink = sys.socket("netlink", "raw", NETLINK_SOCK_DIAG);
});
afterAll(() => sys.close(netlink));

const everyState = 0xffff;

function portOf(address: SocketAddress): number {
  if (address.family === "unix") throw new Error("a Unix socket has no port");
  return address.port;
}

function tcp(
  ports: number[],
  { family = "inet" as "inet" | "inet6", states = everyState, info = true } = {},
) {
  return sys.inetDiag(netlink, family, "tcp", states, ports, info);
}

/** The row of one socket of ours. */
function rowOf(rows: InetDiagRows, fd: Fd): number {
  return rows.cookie.indexOf(BigInt(sys.socketCookie(fd)));
}

/** A client that is connected as far as it can tell. */
async function connected(address: SocketAddress): Promise<Fd> {
  const fd = sys.socket(address.family, "stream");
  sys.connect(fd, address);
  await ready(fd, WRITABLE);
  return fd;
}

/** A listener with one connection that has been accepted. */
async function accepted(address = loopback): Promise<{ listener: Fd; port: number; client: Fd; server: Fd }> {
  const listener = listenStream(address);
  const client = await connected(listener.address);
  await ready(listener.fd);
  const server = sys.accept(listener.fd)?.fd ?? -1;
  return { listener: listener.fd, port: portOf(listener.address), client, server };
}

test("a listener, who waits in its queue and who has been accepted", async () => {
  const { listener, port, client, server } = await accepted();
  const waiting = await connected(sys.getsockname(listener));
  const rows = tcp([port]);
  expect([rows.count, rows.inconsistent]).toEqual([3, false]);
  for (const fd of [listener, server]) {
    expect(rows.inode[rowOf(rows, fd)]).toBe(fstatSync(fd).ino);
  }
  expect(rows.state[rowOf(rows, listener)]).toBe(TCP_LISTEN);
  expect(rows.receiveQueue[rowOf(rows, listener)]).toBe(1);
  expect(rows.sendQueue[rowOf(rows, listener)]).toBe(16);
  expect(rows.uid[rowOf(rows, server)]).toBe(process.getuid?.());

  const queued = rows.inode.indexOf(0);
  expect(rows.state[queued]).toBe(TCP_ESTABLISHED);
  expect(rows.remotePort[queued]).toBe(portOf(sys.getsockname(waiting)));
  expect([...rows.remoteAddress.subarray(queued * 16, queued * 16 + 16)]).toEqual([
    127,
    0,
    0,
    1,
    ...Array(12).fill(0),
  ]);

  const late = sys.accept(listener)?.fd ?? -1;
  expect(sys.socketCookie(late)).toBe(`${rows.cookie[queued]}`);
  closeAll(listener, client, server, waiting, late);
});

test("tcp_info, where it is asked for", async () => {
  const { listener, port, client, server } = await accepted();
  sys.write(client, Buffer.alloc(10));
  sys.write(server, Buffer.alloc(20));
  await ready(server);
  await ready(client);
  const rows = tcp([port]);
  const row = rowOf(rows, server);
  expect([rows.bytesReceived[row], rows.bytesSent[row], rows.receiveQueue[row]]).toEqual([10, 20, 10]);
  expect(rows.lastDataReceivedMs[row]).toBeLessThan(20_000);
  const without = tcp([port], { info: false });
  expect([...without.bytesReceived, ...without.bytesSent]).toEqual([0, 0, 0, 0]);
  expect(rowOf(without, server)).toBeGreaterThanOrEqual(0);
  closeAll(listener, client, server);
});

test("only sockets in the states asked for", async () => {
  const { listener, port, client, server } = await accepted();
  expect([...tcp([port], { states: 1 << TCP_LISTEN }).state]).toEqual([TCP_LISTEN]);
  expect([...tcp([port], { states: 1 << TCP_ESTABLISHED }).state]).toEqual([TCP_ESTABLISHED]);
  sys.shutdown(client, "write");
  await ready(server);
  expect([...tcp([port], { states: 1 << TCP_CLOSE_WAIT }).state]).toEqual([TCP_CLOSE_WAIT]);
  closeAll(listener, client, server);
});

describe("only sockets with one of the ports", () => {
  test("wherever it stands among them", () => {
    const listeners = Array.from({ length: 3 }, () => listenStream());
    const ports = listeners.map(({ address }) => portOf(address));
    const told = (wanted: number[]) => [...tcp(wanted).localPort].sort();
    expect(told(ports)).toEqual([...ports].sort());
    for (const port of ports) {
      expect(told([port])).toEqual([port]);
      expect(told([1, port])).toEqual([port]);
      expect(told([port, 1])).toEqual([port]);
      expect(told([1, 65535, port, 0, 2])).toEqual([port]);
    }
    expect(told([1])).toEqual([]);
    const many = Array.from({ length: 1023 }, (_, index) => index + 1);
    expect(told([...many, ports[0] ?? 0])).toEqual([ports[0]]);
    closeAll(...listeners.map(({ fd }) => fd));
  });

  test("from one to 1024 of them", () => {
    expect(failure(() => tcp([]))).toMatchObject({ code: "EINVAL", syscall: "sock_diag" });
    expect(() => tcp(Array(1025).fill(1))).toThrow("ports must be a shorter array");
  });
});

test("IPv4 connections of a dual listener are IPv6, with mapped addresses", async () => {
  const { listener, port, client, server } = await accepted({
    family: "inet6",
    address: "::",
    port: 0,
    scope: 0,
  });
  const v4 = await connected({ family: "inet", address: "127.0.0.1", port });
  expect(tcp([port]).count).toBe(0);
  const rows = tcp([port], { family: "inet6" });
  expect([...rows.family]).toEqual([AF_INET6, AF_INET6, AF_INET6]);
  const row = rows.remotePort.indexOf(portOf(sys.getsockname(v4)));
  const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1];
  expect([...rows.remoteAddress.subarray(row * 16, row * 16 + 16)]).toEqual(mapped);
  expect(tcp([portOf(sys.getsockname(v4))]).family[0]).toBe(AF_INET);
  closeAll(listener, client, server, v4);
});

test("an answer of many parts", async () => {
  const listener = listenStream(loopback, 400);
  const clients: Fd[] = [];
  for (let n = 0; n < 300; n++) clients.push(await connected(listener.address));
  const rows = tcp([portOf(listener.address)]);
  expect(rows.count).toBe(301);
  expect([...rows.remotePort].sort()).toEqual(
    [0, ...clients.map((fd) => portOf(sys.getsockname(fd)))].sort(),
  );

  // One that nobody has read: struct nlmsghdr and inet_diag_req_v2 with tcp_info, for all states.
  const question = Buffer.alloc(72);
  question.set(new Uint8Array(new Uint32Array([question.length, 20 | (0x301 << 16), 7, 0]).buffer));
  question.set([AF_INET, 6, 2, 0, 0xff, 0xff, 0, 0], 16);
  expect(sys.sendMessage(netlink, question)).toBe(question.length);
  expect(tcp([portOf(listener.address)]).count).toBe(301);
  closeAll(listener.fd, ...clients);
});

describe("one socket by its ends and cookie", () => {
  test.each(["127.0.0.1", "::1"])("%s", async (address) => {
    const at: SocketAddress = address.includes(":")
      ? { family: "inet6", address, port: 0, scope: 0 }
      : { family: "inet", address, port: 0 };
    const { listener, client, server } = await accepted(at);
    const [local, remote] = [sys.getsockname(server), sys.getpeername(server)];
    const cookie = sys.socketCookie(server);
    sys.write(client, Buffer.alloc(5));
    await ready(server);
    const one = sys.inetDiagOne(netlink, "tcp", local, remote, cookie);
    expect([one.count, `${one.cookie[0]}`, one.bytesReceived[0]]).toEqual([1, cookie, 5]);
    expect(sys.inetDiagOne(netlink, "tcp", local, remote, `${BigInt(cookie) + 1n}`).count).toBe(0);
    expect(
      sys.inetDiagOne(netlink, "tcp", remote, { ...local, port: 1 } as SocketAddress, cookie).count,
    ).toBe(0);
    closeAll(listener, client, server);
  });

  test("needs addresses of one Internet family, and a cookie", () => {
    const unix: SocketAddress = { family: "unix", path: "/x" };
    const six: SocketAddress = { family: "inet6", address: "::1", port: 1, scope: 0 };
    expect(() => sys.inetDiagOne(netlink, "tcp", unix, unix, "1")).toThrow(TypeError);
    expect(() => sys.inetDiagOne(netlink, "tcp", loopback, six, "1")).toThrow(TypeError);
    for (const cookie of ["", "x", "-1", "1x"]) {
      expect(() => sys.inetDiagOne(netlink, "tcp", loopback, loopback, cookie)).toThrow("cookie must be");
    }
  });
});

test("UDP sockets, with what they have not read", async () => {
  const server = sys.socket("inet", "dgram");
  const client = sys.socket("inet", "dgram");
  sys.bind(server, loopback);
  const address = sys.getsockname(server);
  sys.sendMessage(client, Buffer.from("hello"), address);
  await ready(server);
  const rows = sys.inetDiag(netlink, "inet", "udp", everyState, [portOf(address)], false);
  expect([rows.count, rows.state[0], `${rows.cookie[0]}`]).toEqual([1, TCP_CLOSE, sys.socketCookie(server)]);
  expect(rows.receiveQueue[0]).toBeGreaterThan(0);
  sys.read(server, Buffer.alloc(10));
  const later = sys.inetDiag(netlink, "inet", "udp", everyState, [portOf(address)], false);
  expect(later.receiveQueue[0]).toBe(0);
  closeAll(server, client);
});

test("without privilege", async ({ skip }) => {
  if (!isRoot) return skip("the other tests do so already");
  const { listener, port, client, server } = await accepted();
  const { output } = await run(
    node(`process.setgroups([]); process.setgid(65534); process.setuid(65534);
      const netlink = sys.socket("netlink", "raw", ${NETLINK_SOCK_DIAG});
      const rows = sys.inetDiag(netlink, "inet", "tcp", ${everyState}, [${port}], true);
      console.log(rows.count, rows.bytesReceived.length, [...rows.uid].join());`),
  );
  expect(output).toBe("2 2 0,0\n");
  closeAll(listener, client, server);
});

test("what is no netlink socket is told so", () => {
  const fd = sys.socket("inet", "dgram");
  expect(failure(() => sys.inetDiag(fd, "inet", "tcp", 1, [1], false)).code).toMatch(/^E/);
  expect(() => sys.inetDiag(netlink, "unix" as "inet", "tcp", 1, [1], false)).toThrow(TypeError);
  sys.close(fd);
});
