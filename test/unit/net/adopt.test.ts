import { describe, expect, test } from "vitest";
import { findInherited, type InheritedSocket, listedDescriptors } from "../../../src/net/adopt.ts";

describe("LISTEN_FDS", () => {
  test.each([
    [
      { LISTEN_PID: "7", LISTEN_FDS: "2", LISTEN_FDNAMES: "web:db" },
      [
        [3, "web"],
        [4, "db"],
      ],
    ],
    [
      { LISTEN_PID: "7", LISTEN_FDS: "2", LISTEN_FDNAMES: "web" },
      [
        [3, "web"],
        [4, null],
      ],
    ],
    [{ LISTEN_PID: "7", LISTEN_FDS: "1" }, [[3, null]]],
    [{ LISTEN_PID: "7", LISTEN_FDS: "0" }, []],
    [{ LISTEN_PID: "8", LISTEN_FDS: "1" }, []],
    [{ LISTEN_FDS: "1" }, []],
    [{ LISTEN_PID: "7" }, []],
  ])("%j", (environment, value) => {
    expect(listedDescriptors(environment, 7)).toEqual({ ok: true, value });
  });

  test.each(["-1", "1e9", "99999", "many", ""])("%j is not a number of sockets", (count) => {
    expect(listedDescriptors({ LISTEN_PID: "7", LISTEN_FDS: count }, 7)).toEqual({
      ok: false,
      error: `LISTEN_FDS is "${count}", not a number of sockets`,
    });
  });
});

describe("finding a socket that was given", () => {
  const at = (address: string, port: number, scope = 0) =>
    ({ family: "inet6", address, port, scope }) as const;
  const sockets: InheritedSocket[] = [
    { fd: 3, name: "web", kind: "tcp", address: at("::", 80), v6only: false },
    {
      fd: 4,
      name: "web",
      kind: "tcp",
      address: { family: "inet", address: "127.0.0.1", port: 80 },
      v6only: false,
    },
    { fd: 5, name: null, kind: "udp", address: at("::", 80), v6only: true },
    { fd: 6, name: "db", kind: "unix", address: { family: "unix", path: "/run/db" }, v6only: false },
    { fd: 7, name: "ll", kind: "tcp", address: at("fe80::1", 22, 2), v6only: false },
  ];
  const found = (wanted: Parameters<typeof findInherited>[1]) =>
    findInherited(sockets, wanted).map(({ fd }) => fd);

  test("by name: all of that name", () => {
    expect(found({ name: "web" })).toEqual([3, 4]);
    expect(found({ name: "none" })).toEqual([]);
  });

  test("by number", () => {
    expect(found({ fd: 5 })).toEqual([5]);
  });

  test("by an equal address of the same kind", () => {
    expect(found({ kind: "tcp", address: at("::", 80), v6only: false })).toEqual([3]);
    expect(found({ kind: "udp", address: at("::", 80), v6only: true })).toEqual([5]);
    expect(
      found({ kind: "tcp", address: { family: "inet", address: "127.0.0.1", port: 80 }, v6only: false }),
    ).toEqual([4]);
    expect(found({ kind: "unix", address: { family: "unix", path: "/run/db" }, v6only: false })).toEqual([6]);
    expect(found({ kind: "tcp", address: at("fe80::1", 22, 2), v6only: false })).toEqual([7]);
  });

  test("not by one that is nearly equal", () => {
    expect(found({ kind: "tcp", address: at("::", 80), v6only: true })).toEqual([]);
    expect(found({ kind: "tcp", address: at("::", 81), v6only: false })).toEqual([]);
    expect(found({ kind: "tcp", address: at("fe80::1", 22, 3), v6only: false })).toEqual([]);
    expect(
      found({ kind: "unix-dgram", address: { family: "unix", path: "/run/db" }, v6only: false }),
    ).toEqual([]);
    expect(found({ kind: "tcp", address: { family: "unix", path: "/run/db" }, v6only: false })).toEqual([]);
  });
});
