/** A process that is started with sockets in LISTEN_FDS, as systemd starts one, finds and adopts them. */
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import type { Fd, SocketAddress, SocketType } from "../../../src/native/sys.ts";
import type { Inheritance, InheritedSocket } from "../../../src/net/adopt.ts";
import { plan, run } from "../../native/support.ts";
import { dial, isClosed, open, port, refusal, sys, tcp, workplace } from "./support.ts";

const { path } = workplace();

const loopback: SocketAddress = { family: "inet", address: "127.0.0.1", port: 0 };

describe("a process that was given sockets", () => {
  test("knows them by name, kind and address, and says which are of no use", async () => {
    const sockets = [
      bound("stream", loopback, true),
      bound("dgram", { family: "inet6", address: "::", port: 0, scope: 0 }),
      bound("stream", { family: "unix", path: path("given.sock") }, true),
      bound("dgram", { family: "unix", path: `@tinetd-${process.pid}-given` }),
      ...sys.socketpair("stream"),
      ...sys.pipe(),
    ];
    const addresses = sockets.slice(0, 4).map((fd) => sys.getsockname(fd));
    const report = await inheritance(sockets, [
      "LISTEN_FDS=9",
      "LISTEN_FDNAMES=web:dns:db:log:a:b:c:d:e",
      "LISTEN_PID=",
    ]);
    for (const fd of sockets) sys.close(fd);

    expect(report.sockets).toEqual([
      { fd: 3, name: "web", kind: "tcp", address: addresses[0], v6only: false },
      { fd: 4, name: "dns", kind: "udp", address: addresses[1], v6only: false },
      { fd: 5, name: "db", kind: "unix", address: addresses[2], v6only: false },
      { fd: 6, name: "log", kind: "unix-dgram", address: addresses[3], v6only: false },
    ]);
    expect(report.problems).toEqual([
      'descriptor 7 ("a") is a connection, not a listener',
      'descriptor 8 ("b") is a connection, not a listener',
      'descriptor 9 ("c") is a pipe without a name',
      'descriptor 10 ("d") is a pipe without a name',
      expect.stringMatching(/^descriptor 11 \("e"\) is /),
    ]);
  });

  test("leaves alone what is meant for another process", async () => {
    const fd = bound("stream", loopback, true);
    const report = await inheritance([fd], ["LISTEN_FDS=1", "LISTEN_PID=1"]);
    sys.close(fd);
    expect(report).toEqual({ sockets: [], problems: [] });
  });

  test("finds one by its number", async () => {
    const fd = bound("stream", loopback, true);
    const report = await inheritance([fd], ["NUMBERS=3,40"]);
    const address = sys.getsockname(fd);
    sys.close(fd);
    expect(report.sockets).toEqual([{ fd: 3, name: null, kind: "tcp", address, v6only: false }]);
    expect(report.problems).toEqual(["descriptor 40 is not open"]);
  });
});

describe("adopting", () => {
  test("takes a socket that is bound where something is declared, with its queue", async () => {
    const given = inherited(bound("stream", loopback, true), null);
    const address = given.address;
    const client = await dial({ host: "127.0.0.1", port: address.family === "unix" ? 0 : address.port });
    const list = [given];
    const [listener] = await open(tcp("127.0.0.1", portOf(given)), { noDelay: true }, { inherited: list });
    expect(listener).toMatchObject({ fd: given.fd, node: null, kind: "tcp" });
    expect(list).toEqual([]);
    expect(sys.isBlocking(given.fd)).toBe(false);
    expect(listener.settings?.recorded).toMatchObject({ TCP_NODELAY: 1 });
    const accepted = sys.accept(listener.fd);
    expect(accepted).not.toBeNull();
    if (accepted !== null) sys.close(accepted.fd);
    if (typeof client !== "string") client.destroy();
  });

  test("takes all sockets of a name", async () => {
    const list = [
      inherited(bound("stream", loopback, true), "web"),
      inherited(bound("dgram", loopback), "dns"),
      inherited(bound("stream", { family: "inet6", address: "::1", port: 0, scope: 0 }, true), "web"),
    ];
    const listeners = await open({ kind: "systemd", name: "web" }, {}, { inherited: list });
    expect(listeners.map(({ kind, address }) => [kind, address.family])).toEqual([
      ["tcp", "inet"],
      ["tcp", "inet6"],
    ]);
    expect(list.map(({ name }) => name)).toEqual(["dns"]);
    await open({ kind: "fd", fd: list[0]?.fd ?? -1 }, {}, { inherited: list });
    expect(list).toEqual([]);
  });

  test("a bound socket that does not listen yet is made to", async () => {
    const given = inherited(bound("stream", loopback), "late");
    const [listener] = await open({ kind: "systemd", name: "late" }, {}, { inherited: [given] });
    const client = await dial({ host: "127.0.0.1", port: port(listener) });
    expect(typeof client).not.toBe("string");
    if (typeof client !== "string") client.destroy();
  });

  test("gives back what it took when one of several cannot be used", async () => {
    const list = [
      inherited(bound("dgram", loopback), "web"),
      inherited(bound("stream", loopback, true), "web"),
    ];
    const fds = list.map(({ fd }) => fd);
    // Only a UDP socket can join a group, so one of the two cannot be had as declared.
    const failure = await refusal(
      { kind: "systemd", name: "web" },
      { multicast: ["239.1.2.3%lo"] },
      { inherited: list },
    );
    expect(failure.reason).toBe("multicast: the socket cannot receive IPv4 datagrams for 239.1.2.3%lo");
    expect(list.map(({ fd }) => fd).toSorted()).toEqual(fds.toSorted());
    for (const fd of fds) {
      expect(isClosed(fd)).toBe(false);
      sys.close(fd);
    }
  });

  test("a node that somebody else made is his to remove", async () => {
    const where = path("theirs.sock");
    const given = inherited(bound("stream", { family: "unix", path: where }, true), "db");
    const [listener] = await open({ kind: "unix", path: where }, {}, { inherited: [given] });
    expect(listener).toMatchObject({ fd: given.fd, node: null, canonical: `unix:${where}` });
    rmSync(where);
  });
});

function bound(type: SocketType, address: SocketAddress, listening = false): Fd {
  const fd = sys.socket(address.family, type);
  sys.bind(fd, address);
  if (listening) sys.listen(fd, 16);
  sys.setBlocking(fd, true);
  return fd;
}

/** What reading the inheritance would find. */
function inherited(fd: Fd, name: string | null): InheritedSocket {
  const address = sys.getsockname(fd);
  const type = sys.getsockopt(fd, sys.constants.SOL_SOCKET ?? -1, sys.constants.SO_TYPE ?? -1);
  const isStream = type === sys.constants.SOCK_STREAM;
  const kind = address.family === "unix" ? "unix" : isStream ? "tcp" : "udp";
  return { fd, name, kind, address, v6only: false };
}

function portOf({ address }: InheritedSocket): number {
  return address.family === "unix" ? -1 : address.port;
}

/** What a process says that is started with these descriptors from 3 on, and these variables. */
async function inheritance(descriptors: Fd[], variables: string[]): Promise<Inheritance> {
  const fixture = new URL("fixtures/inheritance.ts", import.meta.url).pathname;
  const ran = await run(
    plan({
      file: process.execPath,
      argv: ["node", "--import", "tsx", fixture],
      workingDirectory: dirname(new URL("../../../package.json", import.meta.url).pathname),
    }),
    variables,
    descriptors,
  );
  if (ran.code !== 0) throw new Error(ran.output);
  return JSON.parse(ran.output) as Inheritance;
}
