/**
 * What waits at a listener, each by a name that it keeps as long as it waits: to tell whether a handler that accepts by
 * itself has taken anything.
 */
import { fstatSync } from "node:fs";
import { endianness } from "node:os";
import type { Fd, Sys } from "../native/sys.ts";
import { formatSocketAddress } from "./address.ts";
import { constant } from "./constants.ts";
import { queuedConnections } from "./diag.ts";
import { type ListenerKind, takesConnections } from "./kind.ts";
import type { BoundListener } from "./listener.ts";

const isLittleEndian = endianness() === "LE";

/** Datagrams arrive whole, one by one, and the first can be looked at in the queue. */
export function takesDatagrams(kind: ListenerKind): boolean {
  return kind !== "fifo" && !takesConnections(kind);
}

/**
 * Connections by their socket cookie (of Unix sockets the peer's inode); of datagrams the first by when it arrived; of a
 * FIFO how many bytes there are and when it was last read.
 * @param diag a NETLINK_SOCK_DIAG socket, borrowed
 */
export function waitingAt(sys: Sys, diag: Fd, listener: BoundListener): string[] {
  if (listener.kind === "fifo") return unreadBytes(sys, listener.fd);
  return takesConnections(listener.kind)
    ? queuedConnections(sys, diag, listener)
    : firstDatagram(sys, listener);
}

/**
 * How many wait in the queue of a TCP listener: two words of its own, while for their names the kernel goes through all
 * connections of the machine (0.3 to 1 ms, whether there are any). `null` for other kinds, whose names are as cheap.
 */
export function queueLength(
  sys: Pick<Sys, "constants" | "getsockoptBytes">,
  listener: BoundListener,
): number | null {
  if (listener.kind !== "tcp") return null;
  const info = sys.getsockoptBytes(listener.fd, constant(sys, "IPPROTO_TCP"), constant(sys, "TCP_INFO"), 28);
  // tcpi_unacked, which is the length of the queue where the state is that of a listener (tcp_get_info).
  return new DataView(info.buffer, info.byteOffset, info.byteLength).getUint32(24, isLittleEndian);
}

/** Whether of that what waited `before` something does not wait any more, or nothing had waited at all. */
export function isEmptied(before: readonly string[], after: readonly string[]): boolean {
  if (before.length === 0) return true;
  const left = new Set(after);
  return before.some((name) => !left.has(name));
}

/** What a handler has read may have been replaced by as much: then the time of reading tells, where it is kept. */
function unreadBytes(sys: Sys, fd: Fd): string[] {
  const bytes = sys.ioctlInt(fd, constant(sys, "FIONREAD"));
  return bytes === 0 ? [] : [`${bytes} bytes, last read at ${fstatSync(fd, { bigint: true }).atimeNs}`];
}

/**
 * By its time of arrival, since clients repeat themselves: a datagram may be followed by its like. One that arrived
 * before anybody had asked for times gets its own when it is first looked at, and keeps it.
 */
function firstDatagram(sys: Sys, { fd, kind }: BoundListener): string[] {
  const level = constant(sys, "SOL_SOCKET");
  const [nanoseconds, microseconds] = [constant(sys, "SO_TIMESTAMPNS"), constant(sys, "SO_TIMESTAMP")];
  // Of the two at most one is set. Put back at once: a handler that has not asked for times shall not be sent any.
  const [option, value] =
    sys.getsockopt(fd, level, microseconds) === 0
      ? [nanoseconds, sys.getsockopt(fd, level, nanoseconds)]
      : [microseconds, 1];
  sys.setsockopt(fd, level, nanoseconds, 1);
  const message = sys.receiveMessage(fd, Buffer.alloc(0), true);
  sys.setsockopt(fd, level, option, value);
  if (message === null) return [];
  for (const copy of message.fds) sys.close(copy);
  const from = message.from === null ? "" : formatSocketAddress(kind, message.from);
  return [`${from} ${message.arrivedAt}`];
}
