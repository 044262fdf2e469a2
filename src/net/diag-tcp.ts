/** What the rows of sock_diag(7) say of TCP connections: how many are open, who waits in a queue. Pure. */
import type { InetDiagRows } from "../native/diag.ts";
import { connectionsOf, rowOfTcp, type TcpListener } from "./diag-owner.ts";
import { type ConnectionCount, unnamed } from "./sample.ts";
import { tcpStates } from "./tcp-state.ts";

/** What is open at each listener, in the order given. */
export function countTcp(rows: InetDiagRows, listeners: readonly TcpListener[]): ConnectionCount[] {
  const counts = listeners.map(() => ({ held: 0, queued: 0, handshakes: 0 }));
  for (const { n, listener } of connectionsOf(rows, listeners)) {
    const count = counts[listener];
    const stage = stageOf(rows, n);
    if (count === undefined || stage === "orphan") continue;
    count[stage] += 1;
  }
  return counts.map((count, position) => ({
    ...count,
    queued: Math.max(count.queued, queueLength(rows, listeners[position])),
  }));
}

/** Names of what is in a listener's queue: the cookies, as far as they are told. */
export function queuedAtTcp(rows: InetDiagRows, listener: TcpListener): string[] {
  const named: string[] = [];
  for (const { n } of connectionsOf(rows, [listener])) {
    if (stageOf(rows, n) === "queued") named.push(`${rows.cookie[n]}`);
  }
  return [...named, ...unnamed(Math.max(0, queueLength(rows, listener) - named.length))];
}

/** As the listener itself counts: also connections that were reset in the queue, which no table has any more. */
function queueLength(rows: InetDiagRows, listener: TcpListener | undefined): number {
  return listener === undefined ? 0 : (rows.receiveQueue[rowOfTcp(rows, listener.cookie)] ?? 0);
}

/**
 * Where a connection is in its life: on its way into the queue, in it, with a process (whatever TCP makes of it, also
 * half closed, also CLOSE_WAIT), or closed by the process while TCP is still taking leave.
 */
export function stageOf(rows: InetDiagRows, n: number): keyof ConnectionCount | "orphan" {
  if (rows.inode[n] !== 0) return "held";
  const state = tcpStates[rows.state[n] ?? 0];
  if (state === "syn-received") return "handshakes";
  // close(2) leaves these states before it lets go of the socket, so this one has not been accepted yet.
  return state === "established" || state === "close-wait" ? "queued" : "orphan";
}
