import { describe, expect, test } from "vitest";
import type { SocketAddress, SystemError } from "../../../src/native/sys.ts";
import {
  askForDestinations,
  describeRoute,
  type Route,
  receiveDatagram,
  routeKey,
  sendDatagram,
} from "../../../src/net/datagram.ts";
import type { BoundListener } from "../../../src/net/listen.ts";

const inet = (address: string, port: number): SocketAddress => ({ family: "inet", address, port });
const inet6 = (address: string, port: number, scope = 0): SocketAddress => ({
  family: "inet6",
  address,
  port,
  scope,
});

const listener = (address: SocketAddress): BoundListener => ({
  fd: 9,
  kind: "udp",
  address,
  canonical: "udp://test",
  name: "test",
  backlog: 0,
  node: null,
  twin: null,
  settings: null,
});

const v4 = listener(inet("0.0.0.0", 53));
const dual = listener(inet6("::", 53));

const route: Route = { remote: inet("192.0.2.1", 5000), asked: inet("198.51.100.1", 0) };

describe("a route's key", () => {
  test("is the same for the same ends", () => {
    expect(routeKey(v4, { ...route })).toBe(routeKey(v4, route));
  });

  test.each<[string, BoundListener, Route]>([
    ["another port", v4, { ...route, remote: inet("192.0.2.1", 5001) }],
    ["another peer", v4, { ...route, remote: inet("192.0.2.2", 5000) }],
    ["another address of ours", v4, { ...route, asked: inet("198.51.100.2", 0) }],
    ["another listener", { ...v4, fd: 10 }, route],
  ])("is another for %s", (_, at, other) => {
    expect(routeKey(at, other)).not.toBe(routeKey(v4, route));
  });

  test("tells a link-local peer on one interface from its namesake on another", () => {
    const on = (scope: number): Route => ({ remote: inet6("fe80::1", 5000, scope), asked: null });
    expect(routeKey(dual, on(2))).not.toBe(routeKey(dual, on(3)));
  });
});

describe("a route as handlers know it", () => {
  test("has the listener's port and the address that was asked", () => {
    expect(describeRoute(v4, route)).toEqual({ remote: route.remote, local: inet("198.51.100.1", 53) });
  });

  test("is plain IPv4 where a dual-stack socket sees mapped addresses", () => {
    const mapped = { remote: inet6("::ffff:192.0.2.1", 5000), asked: inet6("::ffff:198.51.100.1", 0) };
    expect(describeRoute(dual, mapped)).toEqual({
      remote: inet("192.0.2.1", 5000),
      local: inet("198.51.100.1", 53),
    });
  });

  test("has the listener's address where the kernel does not say", () => {
    expect(describeRoute(v4, { ...route, asked: null }).local).toEqual(v4.address);
  });
});

test("which address was asked: one option for each family", () => {
  const constants = { IPPROTO_IP: 0, IP_PKTINFO: 8, IPPROTO_IPV6: 41, IPV6_RECVPKTINFO: 49 };
  const set: unknown[] = [];
  const sys = { constants, setsockopt: (...call: unknown[]) => void set.push(call) };
  askForDestinations(sys, v4);
  askForDestinations(sys, dual);
  expect(set).toEqual([
    [9, 0, 8, 1],
    [9, 41, 49, 1],
  ]);
});

test("a datagram is where it came from, what it asked, and its bytes", () => {
  const message = {
    fds: [],
    credentials: null,
    truncated: false,
    controlTruncated: false,
    from: route.remote,
    to: { address: inet("198.51.100.1", 0), interfaceIndex: 2 },
    arrivedAt: null,
  };
  const receive = (length: number | null) =>
    receiveDatagram(
      {
        receiveMessage: (_, buffer) => {
          buffer.set(Buffer.from("hello"));
          return length === null ? null : { ...message, length };
        },
      },
      v4,
    );
  expect(receive(5)).toEqual({ ...route, data: Buffer.from("hello") });
  expect(receive(0)).toEqual({ ...route, data: Buffer.alloc(0) });
  expect(receive(null)).toBeNull();
});

describe("an answer", () => {
  /** What the kernel says to each try: a number of bytes, `null`, or an errno's name. */
  function answer(...outcomes: (number | null | string)[]) {
    const sources: unknown[] = [];
    const sendMessage = (
      _fd: number,
      _data: Uint8Array,
      _to?: SocketAddress | null,
      _descriptors?: readonly number[],
      source?: SocketAddress | null,
    ) => {
      sources.push(source);
      const outcome = outcomes[sources.length - 1];
      if (outcome === undefined) throw new Error("one try too many");
      if (typeof outcome !== "string") return outcome;
      throw Object.assign(new Error(outcome), {
        code: outcome,
        errno: -1,
        syscall: "sendmsg",
      }) satisfies SystemError;
    };
    return { sent: sendDatagram({ sendMessage }, v4, route, Buffer.from("hello")), sources };
  }

  test("leaves by the address that was asked", () => {
    expect(answer(5)).toEqual({ sent: "sent", sources: [route.asked] });
  });

  test("waits while the socket is full", () => {
    expect(answer(null)).toEqual({ sent: "full", sources: [route.asked] });
  });

  test.each(["EINVAL", "ENETUNREACH"])(
    "whose address is none to send from (%s): the kernel chooses",
    (code) => {
      expect(answer(code, 5)).toEqual({ sent: "sent", sources: [route.asked, null] });
      expect(answer(code, null)).toEqual({ sent: "full", sources: [route.asked, null] });
      expect(answer(code, code)).toEqual({ sent: "lost", sources: [route.asked, null] });
    },
  );

  test.each(["EMSGSIZE", "EPERM", "EHOSTUNREACH", "ENOBUFS"])("that cannot be sent (%s) is lost", (code) => {
    expect(answer(code)).toEqual({ sent: "lost", sources: [route.asked] });
  });
});
