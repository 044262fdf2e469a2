import { describe, expect, test } from "vitest";
import { acceptWaiting, failed, remember } from "../../../src/handoff/accept.ts";
import type { HandoffHost, Incoming } from "../../../src/handoff/handoff.ts";
import { READABLE } from "../../../src/native/sys.ts";
import { classifyAcceptError, isShortage } from "../../../src/net/accept.ts";
import { overTcp, overUnix } from "./incoming.ts";

describe("an error of accept", () => {
  test.each([
    // accept(2), "Error handling": pending on the new socket, and to be taken as if it had never come.
    ["transient", ["ECONNABORTED", "EPROTO", "EPERM", "ENETDOWN", "EHOSTUNREACH", "ETIMEDOUT", "ECONNRESET"]],
    ["shortage", ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]],
    ["broken", ["EBADF", "EINVAL", "ENOTSOCK", "EFAULT", "ESOMETHINGNEW"]],
  ] as const)("is %s: %j", (trouble, codes) => {
    expect(codes.map(classifyAcceptError)).toEqual(codes.map(() => trouble));
  });

  test.each([
    ["ECONNABORTED", true, []],
    ["EMFILE", false, ["shortage"]],
    ["EINVAL", false, ["broken: accept: EINVAL"]],
  ])("%s: the next may be taken %j, and the service learns %j", (code, goesOn, learned) => {
    const told: string[] = [];
    const host = {
      shortage: () => told.push("shortage"),
      broken: (_: unknown, reason: string) => told.push(`broken: ${reason}`),
    };
    expect(failed(host, overTcp.listener, "accept", code)).toBe(goesOn);
    expect(told).toEqual(learned);
  });
});

describe("of those who wait", () => {
  /** @param waiting their descriptors */
  function acceptAll(waiting: number[]) {
    const { listener, local, remote } = overTcp;
    let inVain = 0;
    const taken: number[][] = [];
    const host = {
      sys: {
        accept: () => {
          const fd = waiting.shift();
          if (fd === undefined) inVain += 1;
          return fd === undefined ? null : { fd, peer: remote };
        },
        poll: () => (waiting.length > 0 ? READABLE : 0),
        getsockname: () => local,
      },
      clock: { now: () => 0 },
      nextConnection: () => 1,
      mayGoOn: () => true,
      room: () => Number.POSITIVE_INFINITY,
      admit: () => null,
    } as unknown as HandoffHost;
    acceptWaiting(host, listener, (arrived: readonly Incoming[]) => taken.push(arrived.map(({ fd }) => fd)));
    return { taken, inVain };
  }

  test("all are taken at once, and nobody is looked for by accepting him", () => {
    expect(acceptAll([31])).toEqual({ taken: [[31]], inVain: 0 });
    expect(acceptAll([31, 32, 33])).toEqual({ taken: [[31, 32, 33]], inVain: 0 });
  });

  test("no more than eight are taken in a turn", () => {
    const waiting = [31, 32, 33, 34, 35, 36, 37, 38, 39, 40];
    expect(acceptAll(waiting).taken).toEqual([[31, 32, 33, 34, 35, 36, 37, 38]]);
    expect(waiting).toEqual([39, 40]);
  });

  test("the one who has gone meanwhile is nobody", () => {
    expect(acceptAll([])).toEqual({ taken: [], inVain: 1 });
  });
});

test("a start that fails for want of something that will be freed is told from one that cannot succeed", () => {
  expect(["EMFILE", "ENFILE", "ENOMEM", "EAGAIN"].every(isShortage)).toBe(true);
  expect(["ENOENT", "EACCES", "EPERM", "ENOEXEC"].some(isShortage)).toBe(false);
});

describe("what is kept of a connection", () => {
  test("has its addresses in the canonical form", () => {
    expect(remember(overTcp)).toMatchObject({
      id: 17,
      remote: "tcp://198.51.100.7:51324",
      local: "tcp://192.0.2.1:80",
      acceptedAt: 1_000,
    });
  });

  test("names a Unix client by its path, or by who it is", () => {
    expect(remember(overUnix)).toMatchObject({ remote: "unix:pid=812,uid=1000", local: "unix:/run/x.sock" });
    const named = { ...overUnix, remote: { family: "unix", path: "/run/client.sock" } as const };
    expect(remember(named).remote).toBe("unix:/run/client.sock");
  });

  test("holds no descriptor", () => {
    expect(Object.values(remember(overTcp))).not.toContain(overTcp.fd);
  });
});
