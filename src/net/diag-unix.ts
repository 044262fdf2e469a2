/**
 * Whose connection is it? Unix sockets: an accepted one carries the name and the node of the listener that it came
 * through, also after that node was renamed or removed, so that two listeners bound to one path one after the other are
 * told apart. Pure: decides over rows.
 */
import type { UnixDiagRows } from "../native/diag.ts";
import { type ConnectionCount, unnamed } from "./sample.ts";
import { stateMask } from "./tcp-state.ts";

/** Unix sockets use the numbers of TCP's states. Those in a queue are told with their listener. */
export const unixStates = {
  listening: stateMask("listening"),
  all: stateMask("listening", "established"),
} as const;

/** The row of a socket, or -1 if the kernel has not told of it. */
export function rowOfUnix(rows: UnixDiagRows, cookie: string): number {
  return rows.cookie.indexOf(BigInt(cookie));
}

/** What is open at the listener in row `listener`. */
export function countUnix(rows: UnixDiagRows, listener: number): ConnectionCount {
  let held = 0;
  for (let n = 0; n < rows.count; n++) {
    if (n !== listener && cameThrough(rows, n, listener)) held += 1;
  }
  return { held, queued: rows.receiveQueue[listener] ?? 0, handshakes: 0 };
}

/** The node tells apart who was bound to one path; in the abstract namespace there is one at a time. */
function cameThrough(rows: UnixDiagRows, n: number, listener: number): boolean {
  return (
    rows.name[n] === rows.name[listener] &&
    rows.hasNode[n] === rows.hasNode[listener] &&
    rows.nodeInode[n] === rows.nodeInode[listener] &&
    rows.nodeDevice[n] === rows.nodeDevice[listener]
  );
}

/** Names of what is in the queue of the listener in row `listener`: the clients' inodes, as far as they are there. */
export function queuedAtUnix(rows: UnixDiagRows, listener: number): string[] {
  const start = rows.pendingStart[listener] ?? 0;
  const inodes = [...rows.pending.subarray(start, start + (rows.pendingCount[listener] ?? 0))];
  const named = inodes.filter((inode) => inode !== 0).map(String);
  return [...named, ...unnamed(inodes.length - named.length)];
}
