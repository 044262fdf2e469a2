/** The BPF programs of net/filter.ts on real listeners: what vanishes, what comes back, and what must not be touched. */
import { describe, expect, test } from "vitest";
import { type Fd, type SocketAddress, WRITABLE } from "../../src/native/sys.ts";
import { dropSyn, passAll } from "../../src/net/filter.ts";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, listenStream, ready, sys } from "./support.ts";

expectNoLeaks();

const { IPPROTO_TCP = -1, TCP_DEFER_ACCEPT = -1, SOL_SOCKET = -1, SO_ATTACH_FILTER = -1 } = sys.constants;

/** Begins to connect; whether it has succeeded tells `ready(fd, WRITABLE)`. */
function knock(to: SocketAddress): Fd {
  const fd = sys.socket(to.family, "stream");
  sys.connect(fd, to);
  return fd;
}

async function accept(listener: Fd): Promise<{ fd: Fd; peer: SocketAddress }> {
  await ready(listener);
  const accepted = sys.accept(listener);
  if (accepted === null) throw new Error("a readable listener without a connection");
  return accepted;
}

/** Both directions, and both ends of file. */
async function talk(client: Fd, server: Fd): Promise<string> {
  const [there, back] = [Buffer.alloc(10), Buffer.alloc(10)];
  sys.write(client, Buffer.from("there"));
  await ready(server);
  const asked = sys.read(server, there) ?? 0;
  sys.write(server, Buffer.from("back"));
  await ready(client);
  const answered = sys.read(client, back) ?? 0;
  sys.shutdown(client, "write");
  await ready(server);
  const end = sys.read(server, Buffer.alloc(1));
  sys.shutdown(server, "write");
  await ready(client);
  return `${there.toString("latin1", 0, asked)} ${back.toString("latin1", 0, answered)} ${end} ${sys.read(client, back)}`;
}

const talked = "there back 0 0";

const families: [string, SocketAddress, (port: number) => SocketAddress][] = [
  ["IPv4", inet("127.0.0.1"), (port) => inet("127.0.0.1", port)],
  ["IPv6", inet6("::1"), (port) => inet6("::1", port)],
  ["IPv4 on a dual listener", inet6("::"), (port) => inet("127.0.0.1", port)],
  ["IPv6 on a dual listener", inet6("::"), (port) => inet6("::1", port)],
];

function inet(address: string, port = 0): SocketAddress {
  return { family: "inet", address, port };
}

function inet6(address: string, port = 0): SocketAddress {
  return { family: "inet6", address, port, scope: 0 };
}

describe.each(families)("%s", (_name, at, clientsAt) => {
  function listen(): { fd: Fd; address: SocketAddress } {
    const { fd, address } = listenStream(at);
    return { fd, address: clientsAt("port" in address ? address.port : 0) };
  }

  test("a knock vanishes, and is answered when it is repeated after the program was replaced", async () => {
    const { fd, address } = listen();
    sys.attachFilter(fd, dropSyn());
    const early = knock(address);
    sys.attachFilter(fd, passAll());
    const late = knock(address);
    // The first to come would be the first in the queue, had it been let in.
    const first = await accept(fd);
    expect(first.peer).toMatchObject({ port: portOf(sys.getsockname(late)) });
    const second = await accept(fd);
    expect(second.peer).toMatchObject({ port: portOf(sys.getsockname(early)) });
    await ready(early, WRITABLE);
    expect(await talk(early, second.fd)).toBe(talked);
    expect(await talk(late, first.fd)).toBe(talked);
    closeAll(fd, early, late, first.fd, second.fd);
  });

  test("who is in the queue already is not touched", async () => {
    const { fd, address } = listen();
    sys.attachFilter(fd, passAll());
    const client = knock(address);
    await ready(client, WRITABLE);
    sys.attachFilter(fd, dropSyn());
    const server = await accept(fd);
    expect(await talk(client, server.fd)).toBe(talked);
    closeAll(fd, client, server.fd);
  });

  test("a connection that has the program for life works", async () => {
    const { fd, address } = listen();
    // The socket is made, and inherits the program, only with the first data: the knock came before.
    sys.setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 30);
    const client = knock(address);
    await ready(client, WRITABLE);
    sys.attachFilter(fd, dropSyn());
    sys.write(client, Buffer.from("first"));
    const server = await accept(fd);
    expect(sys.read(server.fd, Buffer.alloc(10))).toBe(5);
    expect(instructionsOf(server.fd)).toBe(dropSyn().length / 4);
    expect(await talk(client, server.fd)).toBe(talked);
    closeAll(fd, client, server.fd);
  });
});

/** SO_GET_FILTER, the same number for reading, answers with how many instructions there are. */
function instructionsOf(fd: Fd): number {
  return sys.getsockoptBytes(fd, SOL_SOCKET, SO_ATTACH_FILTER, 256).length;
}

function portOf(address: SocketAddress): number {
  return address.family === "unix" ? 0 : address.port;
}
