import { describe, expect, test } from "vitest";
import type { SocketAddress } from "../../../src/native/sys.ts";
import { connectionVariables, describePeer, unmap } from "../../../src/net/peer.ts";

const inet = (address: string, port: number): SocketAddress => ({ family: "inet", address, port });
const inet6 = (address: string, port: number, scope = 0): SocketAddress => ({
  family: "inet6",
  address,
  port,
  scope,
});
const unix = (path: string | null): SocketAddress => ({ family: "unix", path });
const credentials = { pid: 812, uid: 1000, gid: 100 };

describe("unmap", () => {
  test("an IPv4 client of a dual-stack socket is an IPv4 client", () => {
    expect(unmap(inet6("::ffff:192.0.2.1", 5))).toEqual(inet("192.0.2.1", 5));
  });

  test.each([
    inet("192.0.2.1", 5),
    inet6("::1", 5),
    inet6("::ffff:0:1", 5),
    inet6("2001:db8::ffff:1", 5),
    unix("/x"),
  ])("%j stays", (address) => {
    expect(unmap(address)).toBe(address);
  });
});

describe("describePeer", () => {
  test.each([
    [inet("192.0.2.1", 51324), null, "192.0.2.1:51324"],
    [inet6("::ffff:192.0.2.1", 51324), null, "192.0.2.1:51324"],
    [inet6("2001:db8::1", 51324), null, "[2001:db8::1]:51324"],
    [inet6("fe80::1", 51324, 4), null, "[fe80::1%4]:51324"],
    [unix(null), credentials, "pid 812 uid 1000"],
    [unix("/run/client"), null, "/run/client"],
    [unix(null), null, "unnamed"],
  ])("%j", (peer, who, text) => {
    expect(describePeer(peer, who)).toBe(text);
  });
});

describe("variables of a stdio handler", () => {
  test("TCP, both ends as plain IPv4", () => {
    expect(
      connectionVariables("tcp", inet6("::ffff:192.0.2.2", 22), inet6("::ffff:192.0.2.1", 51324), null, 17),
    ).toEqual([
      "PROTO=TCP",
      "TCPREMOTEIP=192.0.2.1",
      "TCPREMOTEPORT=51324",
      "TCPLOCALIP=192.0.2.2",
      "TCPLOCALPORT=22",
      "REMOTE_ADDR=192.0.2.1",
      "REMOTE_PORT=51324",
      "REMOTE_HOST=192.0.2.1",
      "TINETD_CONNECTION=17",
    ]);
  });

  test("UDP over IPv6, addresses without scope, as inet_pton reads them", () => {
    const variables = connectionVariables("udp", inet6("fe80::2", 7, 4), inet6("fe80::1", 9, 4), null, "a");
    expect(variables).toContain("PROTO=UDP");
    expect(variables).toContain("UDPREMOTEIP=fe80::1");
    expect(variables).toContain("UDPLOCALPORT=7");
  });

  test("Unix", () => {
    expect(connectionVariables("unix", unix("/run/x.sock"), unix(null), credentials, 3)).toEqual([
      "PROTO=UNIX",
      "UNIXLOCALPATH=/run/x.sock",
      "TINETD_CONNECTION=3",
      "UNIXREMOTEPID=812",
      "UNIXREMOTEEUID=1000",
      "UNIXREMOTEEGID=100",
    ]);
  });

  test("a FIFO has no peer", () => {
    expect(connectionVariables("fifo", unix("/run/f"), unix(null), null, 3)).toEqual(["TINETD_CONNECTION=3"]);
  });
});
