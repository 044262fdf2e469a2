import { describe, expect, test } from "vitest";
import { type Endpoint, formatEndpoint, formatSocketAddress, unmapped } from "../../../src/net/address.ts";
import { parseAddress } from "../../../src/net/parse-address.ts";

const tcp = (host: string | null, port: number | string, family: "any" | 4 | 6 = "any"): Endpoint => ({
  kind: "tcp",
  host,
  family,
  port,
});
const udp = (host: string | null, port: number | string, family: "any" | 4 | 6 = "any"): Endpoint => ({
  kind: "udp",
  host,
  family,
  port,
});

describe("addresses of listen", () => {
  test.each<[string | number, Endpoint[]]>([
    [7000, [tcp(null, 7000)]],
    [0, [tcp(null, 0)]],
    ["7000", [tcp(null, 7000)]],
    ["*:7000", [tcp(null, 7000)]],
    ["8000-8002", [tcp(null, 8000), tcp(null, 8001), tcp(null, 8002)]],
    ["127.0.0.1:7000", [tcp("127.0.0.1", 7000)]],
    ["0.0.0.0:7000", [tcp("0.0.0.0", 7000)]],
    ["[::1]:7000", [tcp("::1", 7000)]],
    ["[0:0:0:0:0:0:0:1]:7000", [tcp("::1", 7000)]],
    ["[2001:DB8::1]:7000", [tcp("2001:db8::1", 7000)]],
    ["[fe80::1%eth0]:22", [tcp("fe80::1%eth0", 22)]],
    ["localhost:7000", [tcp("localhost", 7000)]],
    ["*:ssh", [tcp(null, "ssh")]],
    ["host-1.example.com:iso-tsap", [tcp("host-1.example.com", "iso-tsap")]],
    ["tcp://*:22", [tcp(null, 22)]],
    ["tcp4://*:22", [tcp(null, 22, 4)]],
    ["tcp6://[::1]:22", [tcp("::1", 22, 6)]],
    ["udp://*:53", [udp(null, 53)]],
    ["udp4://10.0.0.1:53", [udp("10.0.0.1", 53, 4)]],
    ["udp6://*:53", [udp(null, 53, 6)]],
    ["udp://10.0.0.1:5000-5001", [udp("10.0.0.1", 5000), udp("10.0.0.1", 5001)]],
    ["/run/x.sock", [{ kind: "unix", path: "/run/x.sock" }]],
    ["unix:/run//a/../x.sock", [{ kind: "unix", path: "/run/x.sock" }]],
    ["unix:///run/x.sock", [{ kind: "unix", path: "/run/x.sock" }]],
    ["unix:@name", [{ kind: "unix", path: "@name" }]],
    ["unix-dgram:/run/x", [{ kind: "unix-dgram", path: "/run/x" }]],
    ["unix-seqpacket:@x", [{ kind: "unix-seqpacket", path: "@x" }]],
    ["fifo:/run/x", [{ kind: "fifo", path: "/run/x" }]],
    ["systemd:http", [{ kind: "systemd", name: "http" }]],
    ["fd:5", [{ kind: "fd", fd: 5 }]],
    [`/${"x".repeat(106)}`, [{ kind: "unix", path: `/${"x".repeat(106)}` }]],
    [`unix:@${"x".repeat(107)}`, [{ kind: "unix", path: `@${"x".repeat(107)}` }]],
  ])("%j", (text, endpoints) => {
    expect(parseAddress(text)).toEqual({ ok: true, value: endpoints });
  });

  test("a range may take every port", () => {
    const all = parseAddress("1-65535");
    expect(all.ok && all.value.length).toBe(65_535);
  });

  test.each<[string | number, string, string | null]>([
    [70_000, "port 70000 is not between 0 and 65535", null],
    ["*:65536", "port 65536 is not between 0 and 65535", null],
    ["-1", '"-1" is neither a port nor the name of one', null],
    ["8009-8000", "the range 8009-8000 is reversed", '"8000-8009"'],
    ["0-5", "a range cannot begin with port 0", null],
    ["65000-70000", "the range 65000-70000 leaves the ports, which end at 65535", null],
    ["", "expected PORT, HOST:PORT, /PATH or KIND:PATH", null],
    ["localhost", "a port is missing", '"localhost:PORT", or "*:localhost" if it names a port'],
    ["127.0.0.1", "a port is missing", '"127.0.0.1:PORT"'],
    ["[::1]", "a port is missing", '"[::1]:PORT"'],
    ["localhost:", "the port is missing", null],
    [":7000", "an address is missing before the port", '"*" is all addresses'],
    ["::1:7000", "an IPv6 address needs brackets before its port", 'as in "[::1]:7000"'],
    ["[::g]:7000", "[::g] is not an IPv6 address", null],
    ["[::1%]:7000", "[::1%] is not an IPv6 address", null],
    ["[127.0.0.1]:7000", "[127.0.0.1] is not an IPv6 address", null],
    ["1.2.3:7000", "1.2.3 is not an IPv4 address", null],
    ["300.1.1.1:7000", "300.1.1.1 is not an IPv4 address", null],
    ["a b:7000", '"a b" is neither an address nor a host name', null],
    ["*:22x y", '"22x y" is neither a port nor the name of one', null],
    ["tcp4://[::1]:22", "an IPv6 address cannot be spoken to with IPv4 alone", null],
    ["tcp6://1.2.3.4:22", "an IPv4 address cannot be spoken to with IPv6 alone", null],
    [
      "http://*:80",
      "there is no protocol http",
      'protocols are "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"',
    ],
    ["run/x.sock", "a path must be absolute", null],
    ["unix:x.sock", "a path must be absolute", null],
    ["/run/", "this is the path of a directory", null],
    ["@name", "an abstract name needs its kind", 'write "unix:@name"'],
    ["unix:@", "the abstract name is missing", null],
    ["fifo:@x", "a path must be absolute", null],
    ["/run/\0x", "it has a NUL character", null],
    [`/${"x".repeat(107)}`, "the path has 108 bytes, a Unix socket has room for 107", null],
    [`/${"ü".repeat(54)}`, "the path has 109 bytes, a Unix socket has room for 107", null],
    ["fd:x", "expected the number of a descriptor", null],
    ["fd:2", "descriptor 2 is the daemon's own", "descriptors start at 3"],
    [
      "systemd:a:b",
      "expected the name of a socket of LISTEN_FDNAMES, 1 to 255 characters without space and colon",
      null,
    ],
  ])("%j: %s", (text, message, hint) => {
    expect(parseAddress(text)).toEqual({ ok: false, error: { message, hint } });
  });
});

describe("canonical forms", () => {
  test.each([
    "tcp://*:7000",
    "tcp://127.0.0.1:0",
    "tcp6://[::1]:22",
    "tcp://[fe80::1%eth0]:22",
    "udp4://*:53",
    "tcp://localhost:ssh",
    "unix:/run/x.sock",
    "unix:@name",
    "unix-dgram:/run/x",
    "unix-seqpacket:@x",
    "fifo:/run/x",
    "systemd:http",
    "fd:5",
  ])("%s is read and written as it is", (text) => {
    const parsed = parseAddress(text);
    expect(parsed.ok && parsed.value.map(formatEndpoint)).toEqual([text]);
  });

  test.each([
    ["tcp", { family: "inet", address: "127.0.0.1", port: 7000 }, "tcp://127.0.0.1:7000"],
    ["tcp", { family: "inet6", address: "::", port: 22, scope: 0 }, "tcp://[::]:22"],
    ["udp", { family: "inet6", address: "::ffff:10.0.0.1", port: 53, scope: 0 }, "udp://10.0.0.1:53"],
    ["unix", { family: "unix", path: "/run/x.sock" }, "unix:/run/x.sock"],
    ["unix", { family: "unix", path: "@name" }, "unix:@name"],
    ["unix", { family: "unix", path: null }, "unix:"],
  ] as const)("%s %j", (kind, address, text) => {
    expect(formatSocketAddress(kind, address)).toBe(text);
  });

  test("only mapped addresses are unmapped", () => {
    expect(["::ffff:1.2.3.4", "::FFFF:1.2.3.4", "::1", "1.2.3.4", "::ffff:0:1.2.3.4"].map(unmapped)).toEqual([
      "1.2.3.4",
      "1.2.3.4",
      "::1",
      "1.2.3.4",
      "::ffff:0:1.2.3.4",
    ]);
  });
});
