/** Every kind of listener on real sockets: who gets through, who does not, and what is said when it cannot be bound. */
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { SocketAddress } from "../../../src/native/sys.ts";
import type { Endpoint } from "../../../src/net/address.ts";
import { constant } from "../../../src/net/constants.ts";
import { repairListener } from "../../../src/net/listen.ts";
import { type Resolver, systemResolver } from "../../../src/net/resolve.ts";
import {
  accept,
  close,
  dial,
  open,
  port,
  reachable,
  ready,
  refusal,
  sys,
  tcp,
  udp,
  workplace,
} from "./support.ts";

const { path } = workplace();

/** This machine, with a host that has both loopback addresses. */
const resolver: Resolver = { ...systemResolver(sys), addressesOf: async () => ["127.0.0.1", "::1"] };

describe("TCP", () => {
  test("* takes IPv4 and IPv6 on one socket", async () => {
    const [listener, ...others] = await open(tcp(null));
    expect(others).toEqual([]);
    expect(listener.canonical).toBe(`tcp://[::]:${port(listener)}`);
    expect(await reachable(listener, { host: "127.0.0.1", port: port(listener) })).toBe(true);
    expect(await reachable(listener, { host: "::1", port: port(listener) })).toBe(true);
  });

  test.each([
    ["tcp6", tcp(null, 0, 6), {}],
    ["v6only", tcp(null), { v6only: true }],
  ])("%s takes IPv6 alone", async (_, endpoint, options) => {
    const [listener] = await open(endpoint, options);
    // Not 127.0.0.1, where the same port may well be somebody else's at this moment.
    expect(await dial({ host: "127.63.5.7", port: port(listener) })).toBe("ECONNREFUSED");
    expect(await reachable(listener, { host: "::1", port: port(listener) })).toBe(true);
  });

  test("tcp4 takes IPv4 alone", async () => {
    const [listener] = await open(tcp(null, 0, 4));
    expect(listener.canonical).toBe(`tcp://0.0.0.0:${port(listener)}`);
    expect(await dial({ host: "::1", port: port(listener) })).toBe("ECONNREFUSED");
    expect(await reachable(listener, { host: "127.0.0.1", port: port(listener) })).toBe(true);
  });

  test("a name is bound at each of its addresses, at port 0 with the same port", async () => {
    const listeners = await open(tcp("both"), {}, { resolver });
    expect(listeners.map(({ address }) => address.family)).toEqual(["inet", "inet6"]);
    expect(new Set(listeners.map(port)).size).toBe(1);
    for (const listener of listeners) {
      const host = listener.address.family === "inet" ? "127.0.0.1" : "::1";
      expect(await reachable(listener, { host, port: port(listener) })).toBe(true);
    }
  });

  test("a name of which one address is taken is not bound at all", async () => {
    const [taken] = await open(tcp("::1"));
    const failure = await refusal(tcp("both", port(taken)), {}, { resolver });
    expect(failure.address).toBe(`tcp://[::1]:${port(taken)}`);
    expect(await dial({ host: "127.0.0.1", port: port(taken) })).toBe("ECONNREFUSED");
  });

  test("a port whose last connections are in TIME_WAIT is bound again", async () => {
    const [first] = await open(tcp());
    const client = await dial({ host: "127.0.0.1", port: port(first) });
    const { fd } = await accept(first.fd);
    // The side that closes first has the TIME_WAIT: ours.
    sys.close(fd);
    if (typeof client !== "string") await once(client.resume(), "close");
    close(first);
    const [second] = await open(tcp("127.0.0.1", port(first)));
    expect(port(second)).toBe(port(first));
  });

  test("accepting does not block, and nothing is inherited", async () => {
    const [listener] = await open(tcp());
    expect(sys.isBlocking(listener.fd)).toBe(false);
    expect(sys.accept(listener.fd)).toBeNull();
  });

  test.each([7, 4096, 2 ** 31 - 1])("the backlog of %d is reported as the kernel has it", async (backlog) => {
    const [listener] = await open(tcp(), { backlog });
    // struct tcp_info of a listener: tcpi_sacked, the seventh 32-bit word, holds the length of its queue.
    const info = sys.getsockoptBytes(
      listener.fd,
      constant(sys, "IPPROTO_TCP"),
      constant(sys, "TCP_INFO"),
      64,
    );
    expect(listener.backlog).toBe(new DataView(info.buffer, info.byteOffset).getUint32(28, true));
  });
});

describe("a TCP or UDP address that is taken", () => {
  test.each<[string, (port: number) => Endpoint, string]>([
    ["the same", (p) => tcp("127.0.0.1", p), "127.0.0.1"],
    ["a wildcard over it", (p) => tcp(null, p), "127.0.0.1"],
    ["an address under a wildcard", (p) => tcp("127.0.0.1", p), "0.0.0.0"],
    ["an address under the dual-stack wildcard", (p) => tcp("127.0.0.1", p), "::"],
    ["an IPv6 address", (p) => tcp("::1", p), "::1"],
  ])("%s: the pid that holds it is named", async (_, endpoint, host) => {
    await using other = await listenElsewhere(host);
    const failure = await refusal(endpoint(other.port));
    expect(failure).toMatchObject({ code: "EADDRINUSE", pid: other.pid });
    expect(failure.reason).toBe(`address in use by pid ${other.pid}`);
  });

  test("UDP, which two may never share unasked", async () => {
    const [first] = await open(udp());
    expect(await refusal(udp("127.0.0.1", port(first)))).toMatchObject({
      code: "EADDRINUSE",
      pid: process.pid,
    });
  });

  test("reuse_port shares it", async () => {
    const [first] = await open(tcp(), { reusePort: true });
    const [second] = await open(tcp("127.0.0.1", port(first)), { reusePort: true });
    expect(port(second)).toBe(port(first));
  });
});

describe("other failures are phrases", () => {
  test.each<[Endpoint, string | null, string]>([
    [
      tcp("192.0.2.77"),
      "EADDRNOTAVAIL",
      "this machine does not have that address (free_bind = true binds it all the same)",
    ],
    [tcp("fe80::77"), "EINVAL", "a link-local address needs its interface, as in [fe80::1%eth0]"],
    [tcp("fe80::77%tinet0"), null, 'there is no interface "tinet0"'],
    [
      { kind: "tcp", host: null, family: "any", port: "no-such-service" },
      null,
      '/etc/services has no tcp port named "no-such-service"',
    ],
    [{ kind: "systemd", name: "web" }, null, "this daemon was not given such a socket"],
    [{ kind: "fd", fd: 99 }, null, "this daemon was not given such a socket"],
    [{ kind: "unix", path: `@${"x".repeat(200)}` }, "ENAMETOOLONG", "the name is longer than 107 bytes"],
  ])("%j", async (endpoint, code, reason) => {
    expect(await refusal(endpoint)).toMatchObject({ code, reason, pid: null });
  });

  test("the declared address is named when nothing was resolved", async () => {
    expect((await refusal(tcp("fe80::77%tinet0", 22))).address).toBe("tcp://[fe80::77%tinet0]:22");
  });
});

describe("UDP", () => {
  test("* takes datagrams of both families, IPv4 ones by their local address", async () => {
    const [listener] = await open(udp(null), { packetInfo: true });
    for (const [type, host] of [
      ["udp4", "127.0.0.1"],
      ["udp6", "::1"],
    ] as const) {
      const client = createSocket(type);
      client.send("hello", port(listener), host);
      await ready(listener.fd);
      const message = sys.receiveMessage(listener.fd, new Uint8Array(16));
      expect(message?.length).toBe(5);
      expect(JSON.stringify(message?.to?.address)).toContain(host);
      client.close();
    }
  });

  test.each<[string, string | null]>([
    ["239.1.2.3%lo", "0.0.0.0"],
    ["239.1.2.3%1", null],
  ])("multicast group %s on %s", async (group, host) => {
    const [listener] = await open(udp(host), { multicast: [group] });
    await sendToGroup("239.1.2.3", port(listener));
    await ready(listener.fd);
    expect(sys.receiveMessage(listener.fd, new Uint8Array(16))?.length).toBe(5);
  });

  test("an IPv6 group, which a handler left, is joined again", async () => {
    // Loopback has no multicast routes of IPv6: the kernel's own list must do.
    const joined = () =>
      / lo\s+ff150000000000000000000000000007 /.test(readFileSync("/proc/net/igmp6", "ascii"));
    const [listener] = await open(udp(null), { multicast: ["ff15::7%lo"] });
    expect(joined()).toBe(true);
    const request = Uint8Array.from([
      0xff,
      0x15,
      ...new Uint8Array(13),
      7,
      ...new Uint8Array(Uint32Array.of(1).buffer),
    ]);
    sys.setsockopt(listener.fd, constant(sys, "IPPROTO_IPV6"), constant(sys, "IPV6_LEAVE_GROUP"), request);
    expect(joined()).toBe(false);
    expect(repairListener(sys, listener).failures).toEqual([]);
    expect(joined()).toBe(true);
    close(listener);
    expect(joined()).toBe(false);
  });

  test("several may listen to one group at one port, and get only groups that they have joined", async () => {
    const [first] = await open(udp("0.0.0.0"), { multicast: ["239.1.2.3%lo"] });
    const [second] = await open(udp("0.0.0.0", port(first)), { multicast: ["239.1.2.4%lo"] });
    await sendToGroup("239.1.2.4", port(first));
    await ready(second.fd);
    expect(sys.receiveMessage(second.fd, new Uint8Array(16))?.length).toBe(5);
    expect(sys.receiveMessage(first.fd, new Uint8Array(16))).toBeNull();
  });

  test.each([
    [udp("0.0.0.0"), "ff02::fb", "multicast: the socket cannot receive IPv6 datagrams for ff02::fb"],
    [udp(null, 0, 6), "239.1.2.3", "multicast: the socket cannot receive IPv4 datagrams for 239.1.2.3"],
    [tcp(null), "239.1.2.3", "multicast: the socket cannot receive IPv4 datagrams for 239.1.2.3"],
    [udp(null), "239.1.2.3%tinet0", "multicast: there is no interface tinet0"],
    [udp(null), "all", "multicast: all is not an address"],
    [udp("0.0.0.0"), "10.0.0.1", "multicast: 10.0.0.1: EINVAL"],
  ])("%j cannot join %s", async (endpoint, group, reason) => {
    expect((await refusal(endpoint, { multicast: [group] })).reason).toBe(reason);
  });
});

describe("Unix", () => {
  test.each(["unix", "unix-seqpacket"] as const)("%s by path and abstract", async (kind) => {
    for (const name of [path(`${kind}.sock`), `@tinetd-${process.pid}-${kind}`]) {
      const [listener] = await open({ kind, path: name });
      expect(listener.canonical).toBe(`${kind}:${name}`);
      const client = sys.socket("unix", kind === "unix" ? "stream" : "seqpacket");
      expect(sys.connect(client, { family: "unix", path: name })).toBe(true);
      sys.close((await accept(listener.fd)).fd);
      sys.close(client);
    }
  });

  test("datagrams by path and abstract", async () => {
    for (const name of [path("dgram.sock"), `@tinetd-${process.pid}-dgram`]) {
      const [listener] = await open({ kind: "unix-dgram", path: name });
      expect(listener).toMatchObject({ canonical: `unix-dgram:${name}`, backlog: 0 });
      const client = sys.socket("unix", "dgram");
      sys.sendMessage(client, Buffer.from("hello"), { family: "unix", path: name });
      expect(sys.receiveMessage(listener.fd, new Uint8Array(16))?.length).toBe(5);
      sys.close(client);
    }
  });

  test("the socket's own name is the declared path", async () => {
    const [listener] = await open({ kind: "unix", path: path("named.sock") });
    const expected: SocketAddress = { family: "unix", path: path("named.sock") };
    expect(sys.getsockname(listener.fd)).toEqual(expected);
    expect(listener.address).toEqual(expected);
  });

  test.each(["unix", "unix-dgram", "unix-seqpacket"] as const)(
    "an abstract %s that is taken",
    async (kind) => {
      const name = `@tinetd-${process.pid}-taken`;
      await open({ kind, path: name });
      expect(await refusal({ kind, path: name })).toEqual({
        address: `${kind}:${name}`,
        code: "EADDRINUSE",
        reason: `address in use by pid ${process.pid}`,
        pid: process.pid,
      });
    },
  );
});

/** Sends over the loopback interface, whatever the routes say. */
function sendToGroup(group: string, to: number): Promise<void> {
  const client = createSocket("udp4");
  return new Promise((resolve, reject) => {
    client.bind(0, () => {
      client.setMulticastInterface("127.0.0.1");
      client.send("hello", to, group, (error) => {
        client.close();
        if (error === null) resolve();
        else reject(error);
      });
    });
  });
}

/** A process of its own that listens on a free port of `host`. */
async function listenElsewhere(host: string): Promise<AsyncDisposable & { pid: number; port: number }> {
  const script = `require("net").createServer().listen(0, ${JSON.stringify(host)}, function () {
    process.stdout.write(String(this.address().port)) })`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = await once(child.stdout, "data");
  return {
    pid: child.pid ?? 0,
    port: Number(text),
    async [Symbol.asyncDispose]() {
      child.kill();
      await once(child, "close");
    },
  };
}
