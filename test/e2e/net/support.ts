/** What the tests of src/net share: one folder per file, listeners that close themselves, connections with Node's own client. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach } from "vitest";
import { type Fd, READABLE, type Sys } from "../../../src/native/sys.ts";
import type { Endpoint } from "../../../src/net/address.ts";
import {
  type BindFailure,
  type BoundListener,
  closeListener,
  type ListenWorld,
  openListener,
} from "../../../src/net/listen.ts";
import type { ListenerOptions } from "../../../src/net/options.ts";
import { expectNoLeaks } from "../../native/leaks.ts";
import { ready, sys } from "../../native/support.ts";

export { failure, isRoot, ready, sys } from "../../native/support.ts";

/** To be called once at the top of a test file: its folder, which is removed, and the count of descriptors. */
export function workplace(): { path: (name: string) => string } {
  expectNoLeaks();
  const folder = mkdtempSync(join(tmpdir(), "tinetd-net-"));
  // Also for daemons of other users.
  chmodSync(folder, 0o755);
  afterAll(() => rmSync(folder, { recursive: true }));
  afterEach(() => {
    for (const listener of opened.splice(0)) closeListener(sys, listener);
  });
  return { path: (name) => join(folder, name) };
}

const opened: BoundListener[] = [];

const plain: ListenerOptions = { name: "test", backlog: 4096 };

/** Opens an address that must open; closed after the test. */
export async function open(
  endpoint: Endpoint,
  options: Partial<ListenerOptions> = {},
  world: ListenWorld = {},
): Promise<[BoundListener, ...BoundListener[]]> {
  const result = await openListener(sys, { endpoint, options: { ...plain, ...options } }, world);
  if (!result.ok) throw new Error(`${result.error.address}: ${result.error.reason}`);
  opened.push(...result.value);
  const [first, ...others] = result.value;
  if (first === undefined) throw new Error("success without a listener");
  return [first, ...others];
}

/** Opens an address that must fail. */
export async function refusal(
  endpoint: Endpoint,
  options: Partial<ListenerOptions> = {},
  world: ListenWorld = {},
): Promise<BindFailure> {
  const result = await openListener(sys, { endpoint, options: { ...plain, ...options } }, world);
  if (result.ok) {
    opened.push(...result.value);
    throw new Error("it should have failed");
  }
  return result.error;
}

/** Closes a listener before its test ends. */
export function close(listener: BoundListener): void {
  opened.splice(opened.indexOf(listener), 1);
  closeListener(sys, listener);
}

export function port({ address }: BoundListener): number {
  if (address.family === "unix") throw new Error("a Unix socket has no port");
  return address.port;
}

export const tcp = (
  host: string | null = "127.0.0.1",
  wanted = 0,
  family: "any" | 4 | 6 = "any",
): Endpoint => ({
  kind: "tcp",
  host,
  family,
  port: wanted,
});

export const udp = (
  host: string | null = "127.0.0.1",
  wanted = 0,
  family: "any" | 4 | 6 = "any",
): Endpoint => ({
  kind: "udp",
  host,
  family,
  port: wanted,
});

/** A connection that is made, or the errno's name. */
export function dial(options: NetConnectOpts): Promise<Socket | string> {
  return new Promise((resolve) => {
    const socket = connect(options);
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

/** Whether a client gets through, and is accepted. */
export async function reachable(listener: BoundListener, options: NetConnectOpts): Promise<boolean> {
  const client = await dial(options);
  if (typeof client === "string") return false;
  const accepted = await accept(listener.fd);
  sys.close(accepted.fd);
  client.destroy();
  return true;
}

export async function accept(fd: Fd): Promise<NonNullable<ReturnType<Sys["accept"]>>> {
  for (;;) {
    const accepted = sys.accept(fd);
    if (accepted !== null) return accepted;
    await ready(fd, READABLE);
  }
}

export function isClosed(fd: Fd): boolean {
  try {
    sys.isBlocking(fd);
    return false;
  } catch {
    return true;
  }
}
