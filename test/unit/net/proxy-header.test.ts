import { describe, expect, test } from "vitest";
import type { SocketAddress } from "../../../src/native/sys.ts";
import { proxyHeader } from "../../../src/net/proxy-header.ts";

const inet = (address: string, port: number): SocketAddress => ({ family: "inet", address, port });
const inet6 = (address: string, port: number, scope = 0): SocketAddress => ({
  family: "inet6",
  address,
  port,
  scope,
});
const unix = (path: string | null): SocketAddress => ({ family: "unix", path });

/** Section 2.2 of the specification, spelled out. */
const signature = "0d0a0d0a000d0a515549540a";
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("version 1", () => {
  test.each([
    [inet("255.255.255.255", 65535), inet("10.0.0.1", 1), "PROXY TCP4 255.255.255.255 10.0.0.1 65535 1\r\n"],
    [inet6("2001:db8::1", 5), inet6("::", 443), "PROXY TCP6 2001:db8::1 :: 5 443\r\n"],
    [inet6("fe80::1", 5, 3), inet6("fe80::2", 443, 3), "PROXY TCP6 fe80::1 fe80::2 5 443\r\n"],
    [unix(null), unix("/run/x.sock"), "PROXY UNKNOWN\r\n"],
    [inet("10.0.0.1", 1), inet6("::1", 1), "PROXY UNKNOWN\r\n"],
  ])("from %j to %j", (remote, local, text) => {
    expect(Buffer.from(proxyHeader("v1", remote, local)).toString("latin1")).toBe(text);
  });

  test("is never longer than a receiver has to take (107 bytes)", () => {
    const longest = inet6("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
    expect(proxyHeader("v1", longest, longest).length).toBeLessThanOrEqual(107);
  });
});

describe("version 2", () => {
  test.each([
    [inet("192.0.2.1", 51324), inet("198.51.100.7", 443), "2111000cc0000201c6336407c87c01bb"],
    [
      inet6("2001:db8::1", 51324),
      inet6("::ffff:1.2.3.4", 443),
      "2121002420010db800000000000000000000000100000000000000000000ffff01020304c87c01bb",
    ],
    [inet("10.0.0.1", 1), inet6("::1", 1), "21000000"],
  ])("from %j to %j", (remote, local, bytes) => {
    expect(hex(proxyHeader("v2", remote, local))).toBe(signature + bytes);
  });

  test("of Unix sockets has both names, 108 bytes each", () => {
    const header = hex(proxyHeader("v2", unix(null), unix("@ab")));
    expect(header).toBe(`${signature}213100d8${"00".repeat(108)}006162${"00".repeat(105)}`);
  });
});
