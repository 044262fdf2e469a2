/** Connecting without waiting: to the first that answers, to nobody, and never to oneself. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Domain, Fd, SocketAddress } from "../../../src/native/sys.ts";
import { connectFirst } from "../../../src/net/connect.ts";
import { systemClock } from "../../../src/util/clock.ts";
import type { Result } from "../../../src/util/result.ts";
import { sys } from "../../native/support.ts";

const patienceMs = 10_000;
const fresh = (domain: Domain) => sys.socket(domain, "stream");

function reach(
  targets: readonly SocketAddress[],
  openSocket: (domain: Domain) => Fd = fresh,
): Promise<Result<Fd, string>> {
  return new Promise((resolve) => {
    connectFirst({ sys, clock: systemClock, openSocket }, targets, patienceMs, resolve);
  });
}

/** A socket at a free port of loopback, listening or only bound. */
function bound(listening: boolean): { fd: Fd; address: SocketAddress } & Disposable {
  const fd = sys.socket("inet", "stream");
  sys.bind(fd, { family: "inet", address: "127.0.0.1", port: 0 });
  if (listening) sys.listen(fd, 1);
  return { fd, address: sys.getsockname(fd), [Symbol.dispose]: () => sys.close(fd) };
}

describe("over TCP", () => {
  test("the first that answers is taken", async () => {
    using silent = bound(false);
    using server = bound(true);
    const outcome = await reach([silent.address, server.address]);
    if (!outcome.ok) throw new Error(outcome.error);
    expect(sys.getpeername(outcome.value)).toEqual(server.address);
    sys.close(outcome.value);
  });

  test("where nobody listens, the last failure is told", async () => {
    using silent = bound(false);
    expect(await reach([silent.address])).toEqual({ ok: false, error: "ECONNREFUSED" });
  });

  test("a connection to itself is none, and leaves the port free", async () => {
    const fd = sys.socket("inet", "stream");
    sys.bind(fd, { family: "inet", address: "127.0.0.1", port: 0 });
    const address = sys.getsockname(fd);
    // As if the kernel had given it the very port that it is to connect to.
    expect(await reach([address], () => fd)).toEqual({ ok: false, error: "ECONNREFUSED" });
    const next = sys.socket("inet", "stream");
    sys.bind(next, address);
    sys.close(next);
  });
});

describe("over a Unix socket", () => {
  test("whose queue is full, it is tried until there is room", async () => {
    const directory = mkdtempSync(join(tmpdir(), "tinetd-test-"));
    const address: SocketAddress = { family: "unix", path: join(directory, "socket") };
    const server = sys.socket("unix", "stream");
    sys.bind(server, address);
    sys.listen(server, 0);
    const first = await reach([address]);
    const second = reach([address]);
    sys.close(sys.accept(server)?.fd ?? -1);
    for (const outcome of [first, await second]) {
      if (!outcome.ok) throw new Error(outcome.error);
      sys.close(outcome.value);
    }
    sys.close(server);
    rmSync(directory, { recursive: true });
  });

  test("that is not there, it fails at once", async () => {
    expect(await reach([{ family: "unix", path: "/nonexistent/socket" }])).toEqual({
      ok: false,
      error: "ENOENT",
    });
  });
});

test("without a descriptor it fails as the kernel says", async () => {
  const none = () => {
    throw Object.assign(new Error("none"), { code: "EMFILE", errno: 24, syscall: "socket" });
  };
  const address: SocketAddress = { family: "inet", address: "127.0.0.1", port: 1 };
  expect(await reach([address], none)).toEqual({ ok: false, error: "EMFILE" });
});
