/**
 * Which process holds the address that we could not bind, so that the failure can name it. Only looked for after a
 * failure; reads /proc, which shows an ordinary user nothing of other users' processes. Asynchronous and bounded, since
 * a machine may have very many connections and descriptors.
 */
import { open, readdir, readlink } from "node:fs/promises";
import { endianness } from "node:os";
import type { SocketAddress } from "../native/sys.ts";
import type { ListenerKind } from "./kind.ts";
import { addressBytes } from "./prefix.ts";

/** How many lines of a socket table, and how many descriptors of processes, are looked at. */
const linesLimit = 100_000;
const descriptorsLimit = 50_000;

/** The pid of a process that has the address, the lowest if several share it; `null` if none can be seen. */
export async function holderOf(kind: ListenerKind, address: SocketAddress): Promise<number | null> {
  if (kind === "fifo")
    return address.family === "unix" && address.path !== null ? pidHolding(address.path) : null;
  const inode = address.family === "unix" ? await unixInode(address.path) : await inetInode(kind, address);
  return inode === null ? null : pidHolding(`socket:[${inode}]`);
}

/** The inode (of sockfs) of the socket that is in the way of `address`: at that very address, or a wildcard beside it. */
async function inetInode(
  kind: ListenerKind,
  address: Exclude<SocketAddress, { family: "unix" }>,
): Promise<string | null> {
  const port = address.port.toString(16).toUpperCase().padStart(4, "0");
  const wanted = procHex(addressBytes(address.address) ?? []);
  // TCP_LISTEN, and TCP_CLOSE for UDP sockets that are not connected (include/net/tcp_states.h).
  const state = kind === "tcp" ? "0A" : "07";
  let beside: string | null = null;
  for (const table of [`/proc/net/${kind}`, `/proc/net/${kind}6`]) {
    for await (const line of lines(table)) {
      const [, local = "", , st, , , , , , inode = ""] = line.trim().split(/\s+/);
      const [host = "", localPort] = local.split(":");
      if (localPort !== port || st !== state) continue;
      if (host === wanted) return inode;
      if (isWildcard(host) || isWildcard(wanted)) beside ??= inode;
    }
  }
  return beside;
}

/** As /proc/net/tcp6 prints it: 32-bit words in the machine's own byte order. */
function procHex(bytes: readonly number[]): string {
  const hex = bytes.map((byte) => byte.toString(16).toUpperCase().padStart(2, "0"));
  if (endianness() === "BE") return hex.join("");
  const words = Array.from({ length: hex.length / 4 }, (_, index) => hex.slice(index * 4, index * 4 + 4));
  return words.map((word) => word.reverse().join("")).join("");
}

function isWildcard(host: string): boolean {
  return /^0+$/.test(host);
}

/** The listening socket of that path, or one bound to it that takes no connections. */
async function unixInode(path: string | null): Promise<string | null> {
  const acceptsConnections = 0x10000; // __SO_ACCEPTCON of include/uapi/linux/net.h, in the column "Flags"
  const datagram = "0002";
  for await (const line of lines("/proc/net/unix")) {
    const match = /^\S+ \S+ \S+ (\S+) (\S+) \S+ +(\d+) (.*)$/.exec(line);
    if (match === null || match[4] !== path) continue;
    const listens = (Number.parseInt(match[1] ?? "", 16) & acceptsConnections) !== 0;
    // Accepted connections carry the listener's path as well.
    if (listens || match[2] === datagram) return match[3] ?? null;
  }
  return null;
}

/** There is no such table where the family is off, and none at all without /proc: then there are no lines. */
async function* lines(table: string): AsyncGenerator<string> {
  const file = await open(table).catch(() => null);
  if (file === null) return;
  let count = 0;
  try {
    for await (const line of file.readLines({ encoding: "latin1" })) {
      if (++count > linesLimit) return;
      yield line;
    }
  } finally {
    await file.close();
  }
}

/** The first process with a descriptor whose link in /proc reads `target`. */
async function pidHolding(target: string): Promise<number | null> {
  const pids = (await entries("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  let count = 0;
  for (const pid of pids.sort((a, b) => a - b)) {
    const folder = `/proc/${pid}/fd`;
    for (const fd of await entries(folder)) {
      if (++count > descriptorsLimit) return null;
      if ((await linkText(`${folder}/${fd}`)) === target) return pid;
    }
  }
  return null;
}

/** Processes and descriptors vanish while they are looked at: what is gone, or not ours to see, is empty. */
async function entries(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

async function linkText(path: string): Promise<string | null> {
  return readlink(path).catch(() => null);
}
