/** Messages and what travels beside their bytes: descriptors, credentials, where a datagram was sent to. */
import { fstatSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Fd, ReceivedMessage, SocketAddress } from "../../src/native/sys.ts";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, closesOnExec, failure, loopback, nullDevice, ready, sys } from "./support.ts";

expectNoLeaks();

const {
  SOL_SOCKET = -1,
  SO_PASSCRED = -1,
  SO_SNDBUF = -1,
  SO_TIMESTAMPNS = -1,
  IPPROTO_IP = -1,
  IPPROTO_IPV6 = -1,
  IP_PKTINFO = -1,
  IP_RECVORIGDSTADDR = -1,
  IPV6_RECVPKTINFO = -1,
} = sys.constants;

const hello = Buffer.from("hello");
const buffer = Buffer.alloc(100);

function received(fd: Fd, into: Uint8Array = buffer, peek = false): ReceivedMessage {
  const message = sys.receiveMessage(fd, into, peek);
  if (message === null) throw new Error("nothing waits");
  return message;
}

/** A datagram socket on loopback and one that sends to it. */
function datagramPair(family: "inet" | "inet6" = "inet"): { server: Fd; client: Fd } {
  const server = sys.socket(family, "dgram");
  sys.bind(server, family === "inet" ? loopback : { family: "inet6", address: "::1", port: 0, scope: 0 });
  return { server, client: sys.socket(family, "dgram") };
}

test("nothing waits: null, on a blocking socket too", () => {
  const [near, far] = sys.socketpair("seqpacket");
  expect(sys.isBlocking(near)).toBe(true);
  expect(sys.receiveMessage(near, buffer)).toBeNull();
  closeAll(near, far);
});

test("nothing fits: null, on a blocking socket too", () => {
  const [near, far] = sys.socketpair("seqpacket");
  sys.setsockopt(near, SOL_SOCKET, SO_SNDBUF, 4096);
  const sent: (number | null)[] = [];
  do sent.push(sys.sendMessage(near, Buffer.alloc(1000)));
  while (sent.at(-1) !== null && sent.length < 1000);
  expect(sent.at(0)).toBe(1000);
  expect(sent.at(-1)).toBeNull();
  closeAll(near, far);
});

test("a peer that is gone is EPIPE, and no signal", () => {
  const [near, far] = sys.socketpair("stream");
  sys.close(far);
  expect(failure(() => sys.sendMessage(near, hello))).toMatchObject({ code: "EPIPE", syscall: "sendmsg" });
  sys.close(near);
});

test("bytes and nothing else", () => {
  const [near, far] = sys.socketpair("seqpacket");
  expect(sys.sendMessage(near, hello)).toBe(5);
  expect(received(far)).toEqual({
    length: 5,
    fds: [],
    from: null,
    credentials: null,
    to: null,
    arrivedAt: null,
    truncated: false,
    controlTruncated: false,
  });
  expect(buffer.subarray(0, 5)).toEqual(hello);
  sys.close(near);
  expect(received(far).length).toBe(0);
  sys.close(far);
});

describe("datagrams", () => {
  test("go where they are sent and say where from", async () => {
    const { server, client } = datagramPair();
    expect(sys.sendMessage(client, hello, sys.getsockname(server))).toBe(5);
    await ready(server);
    const message = received(server);
    const from = sys.getsockname(client);
    expect(message).toMatchObject({ length: 5, from: { ...from, address: "127.0.0.1" }, to: null });
    expect(message.from !== null && sys.sendMessage(server, hello, message.from)).toBe(5);
    closeAll(server, client);
  });

  test("are cut to the buffer, and say so", async () => {
    const { server, client } = datagramPair();
    sys.sendMessage(client, hello, sys.getsockname(server));
    await ready(server);
    expect(received(server, Buffer.alloc(3))).toMatchObject({ length: 3, truncated: true });
    closeAll(server, client);
  });

  test("may be empty", async () => {
    const { server, client } = datagramPair();
    expect(sys.sendMessage(client, new Uint8Array(0), sys.getsockname(server))).toBe(0);
    await ready(server);
    expect(received(server)).toMatchObject({ length: 0, from: { family: "inet" }, truncated: false });
    expect(sys.receiveMessage(server, buffer)).toBeNull();
    closeAll(server, client);
  });

  test("can be peeked at any number of times", async () => {
    const { server, client } = datagramPair();
    sys.sendMessage(client, hello, sys.getsockname(server));
    await ready(server);
    for (let i = 0; i < 3; i++) expect(received(server, buffer, true).length).toBe(5);
    expect(received(server).length).toBe(5);
    expect(sys.receiveMessage(server, buffer)).toBeNull();
    closeAll(server, client);
  });

  test.each<[string, SocketAddress]>([
    ["UDP", loopback],
    ["Unix", { family: "unix", path: `@tinetd-${process.pid}-arrivals` }],
  ])("over %s are told apart by when they arrived", async (_, address) => {
    const server = sys.socket(address.family, "dgram");
    sys.bind(server, address);
    const client = sys.socket(address.family, "dgram");
    for (let i = 0; i < 3; i++) sys.sendMessage(client, hello, sys.getsockname(server));
    await ready(server);
    expect(received(server, buffer, true).arrivedAt).toBeNull();
    sys.setsockopt(server, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    const seen = [received(server, buffer, true).arrivedAt];
    // Whoever looks again, whatever was switched on and off in between, finds the same.
    sys.setsockopt(server, SOL_SOCKET, SO_TIMESTAMPNS, 0);
    sys.setsockopt(server, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    expect(received(server, Buffer.alloc(0), true).arrivedAt).toBe(seen[0]);
    for (let i = 0; i < 3; i++) seen.push(received(server).arrivedAt);
    expect(seen[1]).toBe(seen[0]);
    expect(new Set(seen).size).toBe(3);
    for (const each of seen) expect(each).toMatch(/^\d{19}$/);
    closeAll(server, client);
  });

  test("tell the local IPv4 address and interface, and with the original destination the port", async () => {
    const { server, client } = datagramPair();
    const address = sys.getsockname(server);
    const interfaceIndex = sys.interfaceIndex("lo");
    sys.setsockopt(server, IPPROTO_IP, IP_PKTINFO, 1);
    sys.sendMessage(client, hello, address);
    await ready(server);
    expect(received(server).to).toEqual({ address: { ...address, port: 0 }, interfaceIndex });
    sys.setsockopt(server, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
    sys.sendMessage(client, hello, address);
    await ready(server);
    expect(received(server).to).toEqual({ address, interfaceIndex });
    closeAll(server, client);
  });

  test.each([
    ["inet", "0.0.0.0", ""],
    ["inet6", "::", "::ffff:"],
  ] as const)(
    "leave a socket bound to all addresses (%s) by the one that is named",
    async (family, any, prefix) => {
      const at = (address: string, port: number): SocketAddress =>
        family === "inet" ? { family, address, port } : { family, address, port, scope: 0 };
      const server = sys.socket(family, "dgram");
      sys.bind(server, at(any, 0));
      const client = sys.socket("inet", "dgram");
      sys.bind(client, loopback);
      const bound = sys.getsockname(client);
      const to = at(`${prefix}127.0.0.1`, "port" in bound ? bound.port : 0);
      expect(sys.sendMessage(server, hello, to, [], at(`${prefix}127.0.0.2`, 0))).toBe(5);
      await ready(client);
      expect(received(client).from).toMatchObject({ family: "inet", address: "127.0.0.2" });
      expect(() => sys.sendMessage(server, hello, to, [], { family: "unix", path: null })).toThrow(TypeError);
      closeAll(server, client);
    },
  );

  test("tell the local IPv6 address and interface", async () => {
    const { server, client } = datagramPair("inet6");
    sys.setsockopt(server, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    sys.sendMessage(client, hello, sys.getsockname(server));
    await ready(server);
    expect(received(server)).toMatchObject({
      from: { family: "inet6", address: "::1", scope: 0 },
      to: {
        address: { family: "inet6", address: "::1", port: 0, scope: 0 },
        interfaceIndex: sys.interfaceIndex("lo"),
      },
    });
    closeAll(server, client);
  });
});

describe("descriptors", () => {
  test("arrive as new ones of the same files, close-on-exec", () => {
    const [near, far] = sys.socketpair("seqpacket");
    const pipe = sys.pipe();
    expect(sys.sendMessage(near, hello, null, pipe)).toBe(5);
    const { fds } = received(far);
    expect(fds.map((fd) => fstatSync(fd).ino)).toEqual(pipe.map((fd) => fstatSync(fd).ino));
    expect(fds.map(closesOnExec)).toEqual([true, true]);
    closeAll(near, far, ...pipe, ...fds);
  });

  test("up to 253 in one message, and no more", () => {
    const [near, far] = sys.socketpair("stream");
    expect(sys.sendMessage(near, hello, null, Array(253).fill(nullDevice))).toBe(5);
    const { fds, controlTruncated } = received(far);
    expect([fds.length, controlTruncated]).toEqual([253, false]);
    closeAll(...fds);
    expect(() => sys.sendMessage(near, hello, null, Array(254).fill(nullDevice))).toThrow(TypeError);
    closeAll(near, far);
  });

  test("one that is not open is EBADF, and nothing is sent", () => {
    const [near, far] = sys.socketpair("seqpacket");
    expect(failure(() => sys.sendMessage(near, hello, null, [9999]))).toMatchObject({ code: "EBADF" });
    expect(sys.receiveMessage(far, buffer)).toBeNull();
    closeAll(near, far);
  });

  test("that find no room are lost, and said to be", () => {
    const { RLIMIT_NOFILE = -1 } = sys.constants;
    const [near, far] = sys.socketpair("seqpacket");
    sys.sendMessage(near, hello, null, [nullDevice, nullDevice]);
    const { soft, hard } = sys.getrlimit(RLIMIT_NOFILE);
    const free = sys.dup(nullDevice);
    sys.close(free);
    sys.setrlimit(RLIMIT_NOFILE, free + 1, hard);
    const message = received(far);
    sys.setrlimit(RLIMIT_NOFILE, soft, hard);
    expect(message).toMatchObject({ length: 5, fds: [free], controlTruncated: true });
    closeAll(near, far, ...message.fds);
  });

  test("a peek makes copies of its own", () => {
    const [near, far] = sys.socketpair("seqpacket");
    sys.sendMessage(near, hello, null, [nullDevice]);
    const [peeked, taken] = [received(far, buffer, true), received(far)];
    expect(peeked.fds).toHaveLength(1);
    expect(taken.fds).not.toEqual(peeked.fds);
    closeAll(near, far, ...peeked.fds, ...taken.fds);
  });
});

test("credentials come where the socket asks for them, with descriptors or without", () => {
  const [near, far] = sys.socketpair("seqpacket");
  sys.setsockopt(far, SOL_SOCKET, SO_PASSCRED, 1);
  const ours = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };
  sys.sendMessage(near, hello);
  expect(received(far)).toMatchObject({ credentials: ours, fds: [] });
  sys.sendMessage(near, hello, null, [nullDevice]);
  const both = received(far);
  expect(both).toMatchObject({ credentials: ours, fds: [expect.any(Number)] });
  closeAll(near, far, ...both.fds);
});
