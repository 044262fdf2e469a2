/** The kernel's groups for sockets that go: who is told of, with which bytes, and what happens when nobody reads. */
import { afterEach, describe, expect, test } from "vitest";
import type { InetDiagRows } from "../../src/native/diag.ts";
import { type Fd, READABLE, type SocketAddress } from "../../src/native/sys.ts";
import { type Destroyed, openDestroyed, readDestroyed, setDestroyedPorts } from "../../src/net/destroyed.ts";
import { mostPorts } from "../../src/net/filter.ts";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, isRoot, listenStream, loopback, node, ready, run, sys } from "./support.ts";

expectNoLeaks();

const { NETLINK_SOCK_DIAG = -1, SOL_SOCKET = -1, SO_LINGER = -1, SO_RCVBUF = -1 } = sys.constants;
const { SKNLGRP_INET_TCP_DESTROY = -1 } = sys.constants;

let group: Fd = -1;
afterEach(() => {
  if (group >= 0) sys.close(group);
  group = -1;
});

function portOf(address: SocketAddress): number {
  if (address.family === "unix") throw new Error("a Unix socket has no port");
  return address.port;
}

/** Both ends of a connection, and what is needed to recognise them. */
async function pair(listener: Fd): Promise<{ client: Fd; server: Fd; cookie: string }> {
  const address = sys.getsockname(listener);
  const client = sys.socket(address.family, "stream");
  sys.connect(client, address);
  await ready(listener);
  const server = sys.accept(listener)?.fd ?? -1;
  return { client, server, cookie: sys.socketCookie(server) };
}

/** Reads until the socket with this cookie has gone. */
async function gone(cookie: string): Promise<{ last: Destroyed; others: Destroyed[] }> {
  const others: Destroyed[] = [];
  for (;;) {
    await ready(group);
    for (const one of readDestroyed(sys, group)?.destroyed ?? []) {
      if (one.cookie === cookie) return { last: one, others };
      others.push(one);
    }
  }
}

async function exchange(
  { client, server }: { client: Fd; server: Fd },
  there: number,
  back: number,
): Promise<void> {
  sys.write(client, Buffer.alloc(there));
  await ready(server);
  sys.read(server, Buffer.alloc(there));
  sys.write(server, Buffer.alloc(back));
  await ready(client);
  sys.read(client, Buffer.alloc(back));
}

describe.each(["127.0.0.1", "::1"])("a connection that has ended, over %s", (address) => {
  const at: SocketAddress = address.includes(":")
    ? { family: "inet6", address, port: 0, scope: 0 }
    : { family: "inet", address, port: 0 };

  test("is told of with all its bytes", async () => {
    const { fd, address: local } = listenStream(at);
    group = openDestroyed(sys, [portOf(local)]);
    expect(readDestroyed(sys, group)).toBeNull();
    const connection = await pair(fd);
    await exchange(connection, 1000, 30);
    expect(readDestroyed(sys, group)).toBeNull();
    sys.close(connection.client);
    await ready(connection.server);
    sys.close(connection.server);
    const { last } = await gone(connection.cookie);
    expect(last).toEqual({
      cookie: connection.cookie,
      localPort: portOf(local),
      bytesSent: 30,
      bytesReceived: 1000,
    });
    sys.close(fd);
  });
});

test("after a reset by the client there is no FIN among the bytes", async () => {
  const { fd, address } = listenStream();
  group = openDestroyed(sys, [portOf(address)]);
  const connection = await pair(fd);
  await exchange(connection, 10, 20);
  sys.setsockopt(connection.client, SOL_SOCKET, SO_LINGER, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]));
  closeAll(connection.client, connection.server);
  expect((await gone(connection.cookie)).last).toMatchObject({ bytesSent: 20, bytesReceived: 10 });
  sys.close(fd);
});

test("only the ports that are wanted, and they can be changed", async () => {
  const [first, second] = [listenStream(), listenStream()];
  const ports = [first, second].map(({ address }) => portOf(address));
  const inTurn = async () => {
    const connections = [await pair(first.fd), await pair(second.fd)];
    for (const { client, server } of connections) closeAll(client, server);
    return connections.map(({ cookie }) => cookie);
  };
  group = openDestroyed(sys, ports.slice(1));
  const seen = await gone((await inTurn())[1] ?? "");
  setDestroyedPorts(sys, group, ports.slice(0, 1));
  const later = await gone((await inTurn())[0] ?? "");
  expect(seen.others).toEqual([]);
  for (const { localPort } of later.others) expect(localPort).toBe(ports[0]);
  // One that is wanted beside very many others.
  setDestroyedPorts(sys, group, [...Array.from({ length: mostPorts - 1 }, (_, n) => n + 1), ports[1] ?? 0]);
  await gone((await inTurn())[1] ?? "");
  closeAll(first.fd, second.fd);
});

test("what finds no room is reported once, and reading goes on", async () => {
  const { fd, address } = listenStream();
  group = openDestroyed(sys, [portOf(address)]);
  sys.setsockopt(group, SOL_SOCKET, SO_RCVBUF, 1);
  const overflown = watchForError(group);
  for (let n = 0; n < 40; n++) {
    const { client, server } = await pair(fd);
    closeAll(client, server);
  }
  await overflown;
  // Those of the forty that the kernel has yet to tell of are not to fill it once more.
  sys.setsockopt(group, SOL_SOCKET, SO_RCVBUF, 1 << 20);
  expect(readDestroyed(sys, group)?.overflow).toBe(true);
  while (readDestroyed(sys, group) !== null);
  const last = await pair(fd);
  closeAll(last.client, last.server);
  expect((await gone(last.cookie)).last.cookie).toBe(last.cookie);
  sys.close(fd);
});

/** Resolves when a watch that reads nothing ends in an error. */
function watchForError(fd: Fd): Promise<void> {
  return new Promise((resolve) => {
    const watch = sys.watch(fd, (_events, status) => {
      if (status >= 0) return;
      watch.close();
      resolve();
    });
    watch.start(READABLE);
  });
}

test("without privilege", async ({ skip }) => {
  if (!isRoot) return skip("the other tests do so already");
  const { output } = await run(
    node(`process.setgroups([]); process.setgid(65534); process.setuid(65534);
      const group = sys.socket("netlink", "raw", ${NETLINK_SOCK_DIAG});
      sys.bindNetlink(group, ${1 << (SKNLGRP_INET_TCP_DESTROY - 1)});
      const listener = sys.socket("inet", "stream");
      sys.bind(listener, ${JSON.stringify(loopback)});
      sys.close(listener);
      const watch = sys.watch(group, () => {
        watch.close();
        console.log(sys.inetDiagEvents(group).count > 0);
      });
      watch.start(${READABLE});`),
  );
  expect(output).toBe("true\n");
});

test("what is no netlink socket is told so", () => {
  group = sys.socket("inet", "dgram");
  expect(() => sys.bindNetlink(group, 1)).toThrow("EINVAL");
  const rows: InetDiagRows | null = sys.inetDiagEvents(group);
  expect(rows).toBeNull();
});
