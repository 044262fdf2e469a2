/** Addresses as they go into the kernel and come out of it. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SocketAddress } from "../../src/native/sys.ts";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, failure, listenStream, sys } from "./support.ts";

expectNoLeaks();

const { NETLINK_ROUTE = -1 } = sys.constants;
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "tinetd-test-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

test("IPv4 and IPv6, with the port that the kernel chose", () => {
  const four = listenStream();
  expect(four.address).toEqual({ family: "inet", address: "127.0.0.1", port: expect.any(Number) });
  const six = listenStream({ family: "inet6", address: "::1", port: 0, scope: 0 });
  expect(six.address).toEqual({ family: "inet6", address: "::1", port: expect.any(Number), scope: 0 });
  for (const { address } of [four, six]) expect("port" in address && address.port).toBeGreaterThan(0);
  closeAll(four.fd, six.fd);
});

test.each(["path", "@tinetd-test", "@with\0NUL"])("Unix: %j", (name) => {
  const path = name.startsWith("@") ? `${name}${process.pid}` : join(directory, name);
  const fd = sys.socket("unix", "stream");
  sys.bind(fd, { family: "unix", path });
  expect(sys.getsockname(fd)).toEqual({ family: "unix", path });
  sys.close(fd);
});

test("a file whose name begins with @ is no abstract address", () => {
  const fd = sys.socket("unix", "stream");
  sys.bind(fd, { family: "unix", path: `${directory}/@file` });
  expect(statSync(`${directory}/@file`).isSocket()).toBe(true);
  sys.close(fd);
});

test("Unix without a name, and one that the kernel makes up", () => {
  const fd = sys.socket("unix", "dgram");
  expect(sys.getsockname(fd)).toEqual({ family: "unix", path: null });
  sys.bind(fd, { family: "unix", path: null });
  expect(sys.getsockname(fd)).toEqual({ family: "unix", path: expect.stringMatching(/^@[0-9a-f]{5}$/) });
  sys.close(fd);
});

test("a path of 107 bytes fits, one of 108 is refused and never cut", () => {
  const fd = sys.socket("unix", "stream");
  const path = join(directory, "x".repeat(200));
  expect(failure(() => sys.bind(fd, { family: "unix", path: path.slice(0, 108) }))).toMatchObject({
    code: "ENAMETOOLONG",
  });
  sys.bind(fd, { family: "unix", path: path.slice(0, 107) });
  expect(sys.getsockname(fd)).toEqual({ family: "unix", path: path.slice(0, 107) });
  sys.close(fd);
});

test("what is no address is refused before the kernel sees it", () => {
  const fd = sys.socket("inet", "stream");
  const wrong: unknown[] = [
    null,
    { family: "ipx", address: "1", port: 1 },
    { family: "inet", address: "1.2.3", port: 1 },
    { family: "inet", address: "127.0.0.1\0", port: 1 },
    { family: "inet", address: "127.0.0.1", port: 65536 },
    { family: "inet", address: "127.0.0.1", port: -1 },
    { family: "inet6", address: "fe80::1%lo", port: 1, scope: 0 },
    { family: "unix", path: "" },
    { family: "unix", path: "a\0b" },
  ];
  for (const address of wrong) expect(() => sys.bind(fd, address as SocketAddress)).toThrow(TypeError);
  sys.close(fd);
});

test("a netlink socket has none of ours", () => {
  const fd = sys.socket("netlink", "raw", NETLINK_ROUTE);
  expect(failure(() => sys.getsockname(fd))).toMatchObject({ code: "EAFNOSUPPORT" });
  sys.close(fd);
});
