/**
 * Whose connection is it? sock_diag(7) tells all TCP sockets of some ports; here each is given to the listener that it
 * came through. Pure: decides over rows.
 */
import type { InetDiagRows } from "../native/diag.ts";
import { addressBytes } from "./prefix.ts";
import { tcpStates } from "./tcp-state.ts";

/** A listener of ours. */
export interface TcpListener {
  /** SO_COOKIE, decimal. */
  cookie: string;
  address: string;
  port: number;
}

/** The connections that came through one of our listeners: their rows, and the position of that listener. */
export function* connectionsOf(
  rows: InetDiagRows,
  listeners: readonly TcpListener[],
): Generator<{ n: number; listener: number }> {
  const candidates = candidatesOf(rows, listeners);
  for (let n = 0; n < rows.count; n++) {
    if (isListener(rows, n)) continue;
    const listener = winner(rows, n, candidates.get(rows.localPort[n] ?? 0) ?? []);
    if (listener !== null) yield { n, listener };
  }
}

/** A socket that listens at one of the ports, ours or another's. */
interface Candidate {
  /** 16 bytes, of IPv4 the first 4. */
  address: Uint8Array;
  wildcard: boolean;
  interfaceIndex: number;
  /** The position of ours, `null` for another's. */
  position: number | null;
}

/** By port. Ours come first, so that they win where several have the same address (SO_REUSEPORT). */
function candidatesOf(rows: InetDiagRows, listeners: readonly TcpListener[]): Map<number, Candidate[]> {
  const byPort = new Map<number, Candidate[]>();
  const add = (port: number, candidate: Candidate) => {
    const others = byPort.get(port);
    if (others === undefined) byPort.set(port, [candidate]);
    else others.push(candidate);
  };
  const ours = new Set<number>();
  listeners.forEach(({ cookie, address, port }, position) => {
    const n = rowOfTcp(rows, cookie);
    ours.add(n);
    add(port, n < 0 ? candidate(bytesOf(address), 0, position) : candidateIn(rows, n, position));
  });
  for (let n = 0; n < rows.count; n++) {
    if (isListener(rows, n) && !ours.has(n)) add(rows.localPort[n] ?? 0, candidateIn(rows, n, null));
  }
  return byPort;
}

function candidateIn(rows: InetDiagRows, n: number, position: number | null): Candidate {
  return candidate(localBytes(rows, n), rows.interfaceIndex[n] ?? 0, position);
}

function candidate(address: Uint8Array, interfaceIndex: number, position: number | null): Candidate {
  return { address, wildcard: isWildcard(address), interfaceIndex, position };
}

function localBytes(rows: InetDiagRows, n: number): Uint8Array {
  return rows.localAddress.subarray(n * 16, n * 16 + 16);
}

function bytesOf(address: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(addressBytes(address) ?? []);
  return bytes;
}

/** `0.0.0.0`, `::`, and the former as an IPv6 socket may be bound to it, `::ffff:0.0.0.0`. */
function isWildcard(address: Uint8Array): boolean {
  return address.every((byte, index) => byte === 0 || (byte === 0xff && (index === 10 || index === 11)));
}

/**
 * The listener that the kernel would choose: an exact address before a wildcard, and among equals one that is bound to
 * the interface. Rows are of one family, which is enough: what an IPv6 listener accepts is IPv6, with mapped addresses.
 */
function winner(rows: InetDiagRows, n: number, candidates: readonly Candidate[]): number | null {
  let best = -1;
  let position: number | null = null;
  for (const one of candidates) {
    const score = scoreOf(one, rows, n);
    if (score > best) [best, position] = [score, one.position];
  }
  return position;
}

/** -1: the connection cannot have come through it. */
function scoreOf({ address, wildcard, interfaceIndex }: Candidate, rows: InetDiagRows, n: number): number {
  if (interfaceIndex !== 0 && interfaceIndex !== rows.interfaceIndex[n]) return -1;
  const device = interfaceIndex === 0 ? 0 : 1;
  if (wildcard) return device;
  const local = localBytes(rows, n);
  return address.every((byte, index) => byte === local[index]) ? 2 + device : -1;
}

/** The row of a socket, or -1 if there is none: a listener that a handler has shut down is in no table. */
export function rowOfTcp(rows: InetDiagRows, cookie: string): number {
  return rows.cookie.indexOf(BigInt(cookie));
}

function isListener(rows: InetDiagRows, n: number): boolean {
  return tcpStates[rows.state[n] ?? 0] === "listening";
}
