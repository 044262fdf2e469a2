/** Sockets from socket(2) to shutdown(2), and what "would block" looks like. */
import { mkdtempSync, rmSync } from "node:fs";
import { constants, networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { READABLE, type SocketAddress, WRITABLE } from "../../src/native/sys.ts";
import { expectNoLeaks } from "./leaks.ts";
import {
  closeAll,
  closesOnExec,
  connectedPair,
  failure,
  listenStream,
  loopback,
  node,
  ready,
  run,
  sys,
} from "./support.ts";

expectNoLeaks();

const { SOL_SOCKET = -1, SO_ERROR = -1, SO_LINGER = -1, NETLINK_ROUTE = -1 } = sys.constants;
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "tinetd-test-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

test("a new socket is non-blocking and close-on-exec, whatever its kind", () => {
  for (const fd of [
    sys.socket("inet", "stream"),
    sys.socket("inet", "dgram"),
    sys.socket("inet6", "stream"),
    sys.socket("unix", "seqpacket"),
    sys.socket("netlink", "raw", NETLINK_ROUTE),
  ]) {
    expect([sys.isBlocking(fd), closesOnExec(fd)]).toEqual([false, true]);
    sys.close(fd);
  }
});

test("a socket pair is blocking and close-on-exec, and keeps messages apart", () => {
  const ends = sys.socketpair("seqpacket");
  expect(ends.map((fd) => [sys.isBlocking(fd), closesOnExec(fd)])).toEqual([
    [true, true],
    [true, true],
  ]);
  sys.write(ends[0], Buffer.from("one"));
  sys.write(ends[0], Buffer.from("two"));
  const buffer = Buffer.alloc(10);
  expect(sys.read(ends[1], buffer)).toBe(3);
  closeAll(...ends);
});

test("an error says what was acted on, in Node's shape", () => {
  const { fd, address } = listenStream();
  const second = sys.socket("inet", "stream");
  const error = failure(() => sys.bind(second, address));
  expect(error).toMatchObject({ code: "EADDRINUSE", errno: -98, syscall: "bind" });
  expect(error.message).toBe(
    `bind EADDRINUSE: address already in use 127.0.0.1:${"port" in address && address.port}`,
  );
  closeAll(fd, second);
});

describe("accept", () => {
  test("null when nobody waits", () => {
    const { fd } = listenStream();
    expect(sys.accept(fd)).toBeNull();
    sys.close(fd);
  });

  test("gives a blocking, close-on-exec descriptor and the peer's address", async () => {
    const listener = listenStream();
    const client = sys.socket("inet", "stream");
    sys.connect(client, listener.address);
    await ready(listener.fd);
    const accepted = sys.accept(listener.fd);
    if (accepted === null) throw new Error("nobody waits");
    expect(accepted.peer).toEqual(sys.getsockname(client));
    expect(sys.getpeername(client)).toEqual(listener.address);
    expect([sys.isBlocking(accepted.fd), closesOnExec(accepted.fd)]).toEqual([true, true]);
    closeAll(listener.fd, client, accepted.fd);
  });

  test("IPv6 with the scope of a link-local peer", async ({ skip }) => {
    const local = linkLocal();
    if (local === null) return skip("no link-local address here");
    const listener = listenStream(local);
    const client = sys.socket("inet6", "stream");
    sys.connect(client, listener.address);
    await ready(listener.fd);
    const accepted = sys.accept(listener.fd);
    expect(accepted?.peer).toMatchObject({ family: "inet6", address: local.address, scope: local.scope });
    closeAll(listener.fd, client, accepted?.fd ?? -1);
  });

  test("Unix peers have a path only if they are bound", async () => {
    const listener = listenStream({ family: "unix", path: join(directory, "listener") });
    const unnamed = sys.socket("unix", "stream");
    const named = sys.socket("unix", "stream");
    sys.bind(named, { family: "unix", path: join(directory, "named") });
    for (const [client, path] of [
      [unnamed, null],
      [named, join(directory, "named")],
    ] as const) {
      expect(sys.connect(client, listener.address)).toBe(true);
      const accepted = sys.accept(listener.fd);
      expect(accepted?.peer).toEqual({ family: "unix", path });
      closeAll(accepted?.fd ?? -1, client);
    }
    sys.close(listener.fd);
  });

  test("a client that has reset its connection is still accepted, with its address", async () => {
    const listener = listenStream();
    const client = sys.socket("inet", "stream");
    sys.connect(client, listener.address);
    await ready(listener.fd);
    const address = sys.getsockname(client);
    sys.setsockopt(client, SOL_SOCKET, SO_LINGER, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]));
    sys.close(client);
    const accepted = sys.accept(listener.fd);
    if (accepted === null) throw new Error("nobody waits");
    expect(accepted.peer).toEqual(address);
    expect(failure(() => sys.getpeername(accepted.fd))).toMatchObject({ code: "ENOTCONN" });
    closeAll(listener.fd, accepted.fd);
  });

  test("at the limit of descriptors it is EMFILE, and goes on when there is room", async () => {
    const { RLIMIT_NOFILE = -1 } = sys.constants;
    const ran = await run(
      node(`
        const listener = sys.socket("unix", "stream");
        const address = { family: "unix", path: ${JSON.stringify(join(directory, "full"))} };
        sys.bind(listener, address);
        sys.listen(listener, 1);
        const client = sys.socket("unix", "stream");
        sys.connect(client, address);
        // The lowest number that is free is the first that the limit forbids.
        const free = sys.dup(client);
        sys.close(free);
        const { hard } = sys.getrlimit(${RLIMIT_NOFILE});
        sys.setrlimit(${RLIMIT_NOFILE}, free, hard);
        let code;
        try { sys.accept(listener) } catch (error) { code = error.code }
        sys.setrlimit(${RLIMIT_NOFILE}, free + 1, hard);
        console.log(code, sys.accept(listener).fd === free);
      `),
    );
    expect(ran.output).toBe("EMFILE true\n");
  });
});

describe("connect", () => {
  test("over TCP is under way at first, and tells its failure by SO_ERROR", async () => {
    const listener = listenStream();
    sys.close(listener.fd);
    const client = sys.socket("inet", "stream");
    expect(sys.connect(client, listener.address)).toBe(false);
    const watched = await ready(client, READABLE | WRITABLE).catch((error: Error) => error.message);
    expect(watched).toBe("status -9");
    expect(sys.getsockopt(client, SOL_SOCKET, SO_ERROR)).toBe(constants.errno.ECONNREFUSED);
    sys.close(client);
  });

  test("to a Unix socket succeeds, is refused, or finds the backlog full", () => {
    const address: SocketAddress = { family: "unix", path: join(directory, "busy") };
    const listener = sys.socket("unix", "stream");
    sys.bind(listener, address);
    const clients = Array.from({ length: 3 }, () => sys.socket("unix", "stream"));
    const [first = -1, second = -1, third = -1] = clients;
    expect(failure(() => sys.connect(first, address))).toMatchObject({
      code: "ECONNREFUSED",
      syscall: "connect",
    });
    sys.listen(listener, 1);
    expect([sys.connect(first, address), sys.connect(second, address), sys.connect(third, address)]).toEqual([
      true,
      true,
      false,
    ]);
    const accepted = sys.accept(listener);
    expect(sys.connect(third, address)).toBe(true);
    closeAll(...clients, listener, accepted?.fd ?? -1);
  });

  test("a datagram socket is connected at once", () => {
    const server = sys.socket("inet", "dgram");
    sys.bind(server, loopback);
    const client = sys.socket("inet", "dgram");
    expect(sys.connect(client, sys.getsockname(server))).toBe(true);
    closeAll(server, client);
  });
});

test("shutdown ends one direction and leaves the other", async () => {
  const { client, server } = await connectedPair();
  sys.shutdown(client, "write");
  const buffer = Buffer.alloc(10);
  expect(sys.read(server, buffer)).toBe(0);
  sys.write(server, Buffer.from("still"));
  await ready(client);
  expect(sys.read(client, buffer)).toBe(5);
  sys.shutdown(server, "both");
  expect(failure(() => sys.write(server, buffer))).toMatchObject({ code: "EPIPE", syscall: "write" });
  closeAll(client, server);
});

test("peer credentials are those of the process that connected", async () => {
  const address: SocketAddress = { family: "unix", path: join(directory, "credentials") };
  const listener = listenStream(address);
  const client = sys.socket("unix", "stream");
  sys.connect(client, address);
  const accepted = sys.accept(listener.fd);
  expect(sys.peerCredentials(accepted?.fd ?? -1)).toEqual({
    pid: process.pid,
    uid: process.getuid?.(),
    gid: process.getgid?.(),
  });
  closeAll(listener.fd, client, accepted?.fd ?? -1);
});

/** A link-local address of this machine, with the interface that it belongs to, or `null` where there is none. */
function linkLocal(): Extract<SocketAddress, { family: "inet6" }> | null {
  for (const address of Object.values(networkInterfaces()).flat()) {
    if (address?.family === "IPv6" && address.scopeid) {
      return { family: "inet6", address: address.address, port: 0, scope: address.scopeid };
    }
  }
  return null;
}
