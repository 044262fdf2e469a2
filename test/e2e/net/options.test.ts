/** Every listener option on real sockets: set, read back from the kernel, inherited, and put right again. */
import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../../src/net/address.ts";
import { constant } from "../../../src/net/constants.ts";
import type { SocketShape } from "../../../src/net/kind.ts";
import { repairListener } from "../../../src/net/listen.ts";
import { optionTable } from "../../../src/net/option-table.ts";
import { type ListenerOptions, readOption, recordOptions } from "../../../src/net/options.ts";
import { accept, dial, isRoot, open, port, refusal, sys, tcp, udp, workplace } from "./support.ts";

const { path } = workplace();

const unix = (): Endpoint => ({ kind: "unix", path: path("options.sock") });

/** The present value of an option by the kernel's name. */
function read(fd: number, name: string): number | string {
  const row = optionTable.find(({ option }) => option === name);
  if (row === undefined) throw new Error(`no option ${name}`);
  return readOption(sys, fd, row);
}

type Case = [
  what: string,
  on: Endpoint,
  options: Partial<ListenerOptions>,
  expected: Record<string, number | string>,
];

const cases: Case[] = [
  ["v6only", tcp("::"), { v6only: true }, { IPV6_V6ONLY: 1 }],
  ["no v6only", tcp("::"), {}, { IPV6_V6ONLY: 0 }],
  ["reuse_port", tcp(), { reusePort: true }, { SO_REUSEPORT: 1 }],
  ["reuse_port", udp(), { reusePort: true }, { SO_REUSEPORT: 1 }],
  ["free_bind", tcp("192.0.2.77"), { freeBind: true }, { IP_FREEBIND: 1 }],
  ["free_bind", tcp("2001:db8::77"), { freeBind: true }, { IPV6_FREEBIND: 1 }],
  ["free_bind", udp("2001:db8::77"), { freeBind: true }, { IPV6_FREEBIND: 1 }],
  ["receive_buffer", tcp(), { receiveBuffer: 50_000 }, { SO_RCVBUF: 100_000 }],
  ["receive_buffer", udp(null), { receiveBuffer: 50_000 }, { SO_RCVBUF: 100_000 }],
  ["receive_buffer", unix(), { receiveBuffer: 50_000 }, { SO_RCVBUF: 100_000 }],
  ["send_buffer", tcp(null), { sendBuffer: 50_000 }, { SO_SNDBUF: 100_000 }],
  ["send_buffer", unix(), { sendBuffer: 50_000 }, { SO_SNDBUF: 100_000 }],
  ["tos", udp(), { tos: 0x12 }, { IP_TOS: 0x12 }],
  ["tos on a dual-stack socket: both", udp(null), { tos: 0x12 }, { IP_TOS: 0x12, IPV6_TCLASS: 0x12 }],
  ["tos on TCP, which keeps the ECN bits", tcp(null), { tos: 0x13 }, { IP_TOS: 0x10, IPV6_TCLASS: 0x10 }],
  ["tos on IPv6 alone", tcp("::", 0, 6), { tos: 0x20 }, { IPV6_TCLASS: 0x20 }],
  ["priority", tcp(), { priority: 5 }, { SO_PRIORITY: 5 }],
  [
    "priority beside tos, which would set it too",
    udp(),
    { priority: 3, tos: 0x10 },
    { SO_PRIORITY: 3, IP_TOS: 0x10 },
  ],
  ["priority", unix(), { priority: 5 }, { SO_PRIORITY: 5 }],
  ["ttl", tcp(), { ttl: 9 }, { IP_TTL: 9 }],
  ["ttl on a dual-stack socket: both", tcp(null), { ttl: 9 }, { IP_TTL: 9, IPV6_UNICAST_HOPS: 9 }],
  ["ttl", udp("::1"), { ttl: 9 }, { IPV6_UNICAST_HOPS: 9 }],
  ["no_delay", tcp(null), { noDelay: true }, { TCP_NODELAY: 1 }],
  ["keep_alive", tcp(), { keepAlive: {} }, { SO_KEEPALIVE: 1 }],
  [
    "keep_alive with times",
    tcp(null),
    { keepAlive: { idle: 61, interval: 7, count: 3 } },
    { SO_KEEPALIVE: 1, TCP_KEEPIDLE: 61, TCP_KEEPINTVL: 7, TCP_KEEPCNT: 3 },
  ],
  ["congestion", tcp(), { congestion: "reno" }, { TCP_CONGESTION: "reno" }],
  ["defer_accept, which the kernel rounds up", tcp(), { deferAccept: 5 }, { TCP_DEFER_ACCEPT: 7 }],
  ["fast_open", tcp(null), { fastOpen: 16 }, { TCP_FASTOPEN: 16 }],
  ["broadcast", udp(), { broadcast: true }, { SO_BROADCAST: 1 }],
  ["packet_info", udp(), { packetInfo: true }, { IP_PKTINFO: 1 }],
  ["packet_info", udp("::1"), { packetInfo: true }, { IPV6_RECVPKTINFO: 1 }],
  ["packet_info on a dual-stack socket", udp(null), { packetInfo: true }, { IPV6_RECVPKTINFO: 1 }],
];

const privileged: Case[] = [
  ["device", tcp("127.0.0.1"), { device: "lo" }, { SO_BINDTODEVICE: "lo" }],
  ["device", udp(null), { device: "lo" }, { SO_BINDTODEVICE: "lo" }],
  ["mark", tcp(null), { mark: 0xf0000007 }, { SO_MARK: 0xf0000007 | 0 }],
  ["transparent", tcp("192.0.2.78"), { transparent: true }, { IP_TRANSPARENT: 1 }],
  ["transparent", udp("2001:db8::78"), { transparent: true }, { IPV6_TRANSPARENT: 1 }],
  ["a buffer beyond rmem_max", udp(), { receiveBuffer: 64 << 20 }, { SO_RCVBUF: 128 << 20 }],
];

describe("an option is as declared", () => {
  test.each(cases)("%s %j %j", async (_, endpoint, options, expected) => {
    const [{ fd }] = await open(endpoint, options);
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, read(fd, name)]))).toEqual(expected);
  });

  test.skipIf(!isRoot).each(privileged)("%s %j %j", async (_, endpoint, options, expected) => {
    const [{ fd }] = await open(endpoint, options);
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, read(fd, name)]))).toEqual(expected);
  });

  test("the tables above leave out no key", () => {
    const declared = [...cases, ...privileged].flatMap(([, , , expected]) => Object.keys(expected));
    const keys = optionTable.filter(({ key }) => key !== null).map(({ option }) => option);
    expect(keys.filter((option) => !declared.includes(option))).toEqual([]);
  });
});

describe("an option that the kernel refuses", () => {
  test.each<[Partial<ListenerOptions>, string, string]>([
    [{ congestion: "tinet" }, "congestion: ENOENT", "ENOENT"],
    [{ device: "tinet0" }, "device: ENODEV", "ENODEV"],
    [{ ttl: 999 }, "ttl: EINVAL", "EINVAL"],
  ])("%j", async (options, reason, code) => {
    expect(await refusal(tcp(), options)).toEqual({ address: "tcp://127.0.0.1:0", reason, code, pid: null });
  });
});

test("the first client has the listener's options already", async () => {
  const options = {
    noDelay: true,
    keepAlive: { idle: 61, interval: 7, count: 3 },
    tos: 0x10,
    congestion: "reno",
  };
  const [listener] = await open(tcp(null), options);
  const client = await dial({ host: "127.0.0.1", port: port(listener) });
  const { fd } = await accept(listener.fd);
  const names = [
    "TCP_NODELAY",
    "SO_KEEPALIVE",
    "TCP_KEEPIDLE",
    "TCP_KEEPINTVL",
    "TCP_KEEPCNT",
    "IP_TOS",
    "TCP_CONGESTION",
  ];
  expect(names.map((name) => read(fd, name))).toEqual([1, 1, 61, 7, 3, 0x10, "reno"]);
  sys.close(fd);
  if (typeof client !== "string") client.destroy();
});

describe("what a handler has changed is put right", () => {
  const struct = (size: number, first: number) => Uint8Array.from([first, ...new Uint8Array(size - 1)]);
  /** A value that is neither the default nor what is declared below. */
  const others: Record<string, number | string | Uint8Array> = {
    SO_REUSEPORT: 1,
    SO_RCVBUF: 30_000,
    SO_SNDBUF: 30_000,
    IP_TOS: 0x20,
    IPV6_TCLASS: 0x20,
    SO_PRIORITY: 2,
    IP_TTL: 3,
    IPV6_UNICAST_HOPS: 3,
    TCP_NODELAY: 1,
    SO_KEEPALIVE: 1,
    TCP_KEEPIDLE: 9,
    TCP_KEEPINTVL: 9,
    TCP_KEEPCNT: 2,
    TCP_CONGESTION: "reno",
    TCP_DEFER_ACCEPT: 20,
    TCP_FASTOPEN: 3,
    SO_BROADCAST: 1,
    IP_PKTINFO: 1,
    IPV6_RECVPKTINFO: 1,
    SO_RCVLOWAT: 5,
    TCP_USER_TIMEOUT: 5000,
    SO_LINGER: struct(8, 1),
    SO_RCVTIMEO: struct(16, 1),
    SO_SNDTIMEO: struct(16, 1),
    SO_MARK: 5,
    SO_BINDTODEVICE: "lo",
  };
  /** The kernel refuses to change these on a bound socket, or without privileges. */
  const fixed = ["IPV6_V6ONLY", "IP_FREEBIND", "IPV6_FREEBIND", "IP_TRANSPARENT", "IPV6_TRANSPARENT"];
  const needRoot = ["SO_MARK", "SO_BINDTODEVICE"];

  function spoil(fd: number, shape: SocketShape): void {
    for (const row of optionTable) {
      if (!row.applies(shape) || fixed.includes(row.option)) continue;
      if (!isRoot && needRoot.includes(row.option)) continue;
      const value = others[row.option];
      if (value === undefined) throw new Error(`nothing to set ${row.option} to`);
      sys.setsockopt(fd, constant(sys, row.level), constant(sys, row.option), value);
    }
  }

  test.each<[string, () => Endpoint, Partial<ListenerOptions>]>([
    ["TCP with declared options", () => tcp(null), { tos: 0x10, priority: 4, ttl: 7, receiveBuffer: 9000 }],
    ["TCP without", () => tcp(), {}],
    ["UDP", () => udp(null), { ttl: 7 }],
    ["UDP over IPv4", () => udp(), {}],
    ["Unix", unix, { sendBuffer: 9000 }],
  ])("%s", async (_, endpoint, options) => {
    const [listener] = await open(endpoint(), options);
    const settings = listener.settings;
    if (settings === null) throw new Error("a FIFO");
    const values = () => recordOptions(sys, listener.fd, settings.shape);
    const before = values();
    spoil(listener.fd, settings.shape);
    sys.setBlocking(listener.fd, true);
    const after = values();
    const spoilt = Object.keys(before).filter((option) => before[option] !== after[option]);
    expect(spoilt).toEqual(
      expect.arrayContaining(["SO_RCVBUF", "SO_SNDBUF", "SO_PRIORITY", "SO_LINGER", "SO_RCVTIMEO"]),
    );

    const { repaired, failures } = repairListener(sys, listener);
    expect(failures).toEqual([]);
    expect(values()).toEqual(before);
    expect(sys.isBlocking(listener.fd)).toBe(false);
    // The priority comes back with the type of service that had changed it.
    const expected = ["O_NONBLOCK", ...spoilt.filter((option) => option !== "SO_PRIORITY")];
    expect(repaired).toEqual(expect.arrayContaining(expected));
    expect(repairListener(sys, listener)).toEqual({ repaired: [], failures: [] });
  });
});
