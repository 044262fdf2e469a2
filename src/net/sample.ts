/** What the kernel tells of connections at one moment, in the form that idle decisions take: plain values. */
import type { SocketAddress } from "../native/sys.ts";
import type { TcpState } from "./tcp-state.ts";

/** What is open at one listener. Not counted is what no process has any more, though TCP may still be ending it. */
export interface ConnectionCount {
  /** Accepted, and not closed by the process that has it. */
  held: number;
  /** Complete, and waiting to be accepted. */
  queued: number;
  /** On its way into the queue (SYN_RECV); never at a Unix listener, where connecting is one step. */
  handshakes: number;
}

export const noConnections: ConnectionCount = { held: 0, queued: 0, handshakes: 0 };

/** Whether nobody is connected nor about to be. */
export function isQuiet({ held, queued, handshakes }: ConnectionCount): boolean {
  return held + queued + handshakes === 0;
}

/** One TCP connection. */
export interface TcpSample {
  /** SO_COOKIE, decimal. */
  cookie: string;
  state: TcpState;
  /** Whether a process has it; not while it waits in a queue, nor when the kernel alone is ending it. */
  held: boolean;
  /** As plain IPv4 where it is. */
  local: SocketAddress;
  remote: SocketAddress;
  /** Payload handed to the network, each byte once. */
  bytesSent: number;
  /** Payload that has come, in order. */
  bytesReceived: number;
  /** Since the last byte in either direction, or since the connection was made. */
  idleMs: number;
  /** Bytes that the process has not read yet; the end of file, where it has not seen that yet, is one. */
  receiveQueue: number;
  /** Bytes that the peer has not acknowledged yet. */
  sendQueue: number;
}

/** Names for those in a queue that have none: numbered, so that one less is seen. */
export function unnamed(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `unnamed ${index + 1}`);
}
