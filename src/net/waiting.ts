/**
 * What waits at a listener, each by a name that it keeps as long as it waits: to tell whether a handler that accepts by
 * itself has taken anything.
 */
import type { Fd, Sys } from "../native/sys.ts";
import { formatSocketAddress } from "./address.ts";
import { queuedConnections } from "./diag.ts";
import { type ListenerKind, takesConnections } from "./kind.ts";
import type { BoundListener } from "./listener.ts";

/** Datagrams arrive whole, one by one, and the first can be looked at in the queue. */
export function takesDatagrams(kind: ListenerKind): boolean {
  return kind !== "fifo" && !takesConnections(kind);
}

/**
 * Connections by their socket cookie (of Unix sockets the peer's inode); of datagrams the first by sender and content;
 * of a FIFO how many bytes there are.
 * @param diag a NETLINK_SOCK_DIAG socket, borrowed
 */
export function waitingAt(sys: Sys, diag: Fd, listener: BoundListener): string[] {
  if (listener.kind === "fifo") {
    const bytes = sys.ioctlInt(listener.fd, sys.constants.FIONREAD ?? 0);
    return bytes === 0 ? [] : [`${bytes} bytes`];
  }
  return takesConnections(listener.kind)
    ? queuedConnections(sys, diag, listener)
    : firstDatagram(sys, listener);
}

/** Whether of that what waited `before` something does not wait any more, or nothing had waited at all. */
export function isEmptied(before: readonly string[], after: readonly string[]): boolean {
  if (before.length === 0) return true;
  const left = new Set(after);
  return before.some((name) => !left.has(name));
}

/** Enough of a datagram to tell it from the next. */
const identifyingBytes = 512;

function firstDatagram(sys: Sys, { fd, kind }: BoundListener): string[] {
  const buffer = Buffer.alloc(identifyingBytes);
  const message = sys.receiveMessage(fd, buffer, true);
  if (message === null) return [];
  const from = message.from === null ? "" : formatSocketAddress(kind, message.from);
  return [
    `${from} ${message.length} ${buffer.toString("latin1", 0, Math.min(message.length, identifyingBytes))}`,
  ];
}
