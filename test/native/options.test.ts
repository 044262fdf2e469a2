/** Socket options: numbers, strings, structures, and those with a shape of their own. */
import { describe, expect, test } from "vitest";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, connectedPair, failure, isRoot, listenStream, loopback, ready, sys } from "./support.ts";

expectNoLeaks();

const {
  SOL_SOCKET = -1,
  SO_REUSEADDR = -1,
  SO_LINGER = -1,
  SO_TYPE = -1,
  SO_ACCEPTCONN = -1,
  SO_BINDTODEVICE = -1,
  SOCK_STREAM = -1,
  IPPROTO_TCP = -1,
  TCP_CONGESTION = -1,
  TCP_INFO = -1,
  TCP_ESTABLISHED = -1,
} = sys.constants;

test("a number goes in and comes out", () => {
  const fd = sys.socket("inet", "stream");
  expect(sys.getsockopt(fd, SOL_SOCKET, SO_REUSEADDR)).toBe(0);
  sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  expect(sys.getsockopt(fd, SOL_SOCKET, SO_REUSEADDR)).toBe(1);
  expect(sys.getsockopt(fd, SOL_SOCKET, SO_TYPE)).toBe(SOCK_STREAM);
  expect(sys.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN)).toBe(0);
  sys.close(fd);
});

test("a string goes in, bytes come out", () => {
  const fd = sys.socket("inet", "stream");
  sys.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno");
  const name = Buffer.from(sys.getsockoptBytes(fd, IPPROTO_TCP, TCP_CONGESTION, 16)).toString();
  expect(name.replace(/\0+$/, "")).toBe("reno");
  expect(failure(() => sys.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nosuch"))).toMatchObject({
    code: "ENOENT",
  });
  expect(failure(() => sys.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nosuch0"))).toMatchObject({
    code: "ENODEV",
    syscall: "setsockopt",
  });
  sys.close(fd);
});

test("a structure goes in and comes out, cut to what was asked for", () => {
  const fd = sys.socket("inet", "stream");
  const linger = new Uint8Array(new Int32Array([1, 42]).buffer);
  sys.setsockopt(fd, SOL_SOCKET, SO_LINGER, linger);
  expect(sys.getsockoptBytes(fd, SOL_SOCKET, SO_LINGER, 64)).toEqual(linger);
  expect(sys.getsockoptBytes(fd, SOL_SOCKET, SO_LINGER, 4)).toEqual(linger.subarray(0, 4));
  sys.close(fd);
});

test("tcp_info of a connection", async () => {
  const { client, server } = await connectedPair();
  const info = sys.getsockoptBytes(server, IPPROTO_TCP, TCP_INFO, 512);
  expect(info.length).toBeGreaterThan(100);
  expect(info[0]).toBe(TCP_ESTABLISHED);
  closeAll(client, server);
});

test("a value that is no option's is refused", () => {
  const fd = sys.socket("inet", "stream");
  for (const value of [1.5, Number.NaN, 2 ** 40, true, null, [1]]) {
    expect(() => sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, value as number)).toThrow(TypeError);
  }
  sys.close(fd);
});

test("a cookie is a socket's own, for life and through any of its descriptors", () => {
  const [one, other] = [sys.socket("inet", "stream"), sys.socket("inet", "stream")];
  const copy = sys.dup(one);
  const cookie = sys.socketCookie(one);
  expect(cookie).toMatch(/^[1-9]\d*$/);
  sys.close(one);
  expect(sys.socketCookie(copy)).toBe(cookie);
  expect(sys.socketCookie(other)).not.toBe(cookie);
  closeAll(copy, other);
});

describe("filter", () => {
  const BPF_RET_K = 0x06;
  const all = [BPF_RET_K, 0, 0, 0xffffffff];
  const nothing = [BPF_RET_K, 0, 0, 0];

  test("decides which datagrams arrive, and is replaced in one step", async () => {
    const server = sys.socket("inet", "dgram");
    sys.bind(server, loopback);
    const client = sys.socket("inet", "dgram");
    sys.connect(client, sys.getsockname(server));
    const buffer = Buffer.alloc(10);
    for (const [program, text] of [
      [nothing, "dropped"],
      [all, "passed"],
    ] as const) {
      sys.attachFilter(server, program);
      sys.write(client, Buffer.from(text));
    }
    await ready(server);
    expect([sys.read(server, buffer), sys.read(server, buffer)]).toEqual(["passed".length, null]);
    closeAll(server, client);
  });

  test("is refused by the kernel if it is no program", () => {
    const fd = sys.socket("inet", "dgram");
    for (const program of [[], [0xffff, 0, 0, 0], [0x00, 0, 0, 0]]) {
      expect(failure(() => sys.attachFilter(fd, program))).toMatchObject({
        code: "EINVAL",
        syscall: "setsockopt",
      });
    }
    expect(failure(() => sys.attachFilter(fd, Array(5000).fill(all).flat()))).toMatchObject({
      code: "EINVAL",
    });
    sys.close(fd);
  });

  test.skipIf(!isRoot)("may be set on a listener, and replaced", () => {
    const { fd } = listenStream();
    sys.attachFilter(fd, nothing);
    sys.attachFilter(fd, all);
    sys.close(fd);
  });

  test("must have four numbers per instruction, each of its size", () => {
    const { fd } = listenStream();
    for (const program of [
      [6, 0, 0],
      [0x10000, 0, 0, 0],
      [6, 256, 0, 0],
      [6, 0, 0, -1],
      [6, 0, 0, 2 ** 32],
    ]) {
      expect(() => sys.attachFilter(fd, program)).toThrow(TypeError);
    }
    sys.close(fd);
  });
});
