/**
 * The end of TCP connections whose descriptors others hold, told by the kernel as it happens: the sock_diag(7) groups
 * SKNLGRP_INET_TCP_DESTROY and SKNLGRP_INET6_TCP_DESTROY. A socket is gone when its process has closed it and TCP has
 * taken leave, or given up. The groups are of the whole network namespace; a filter keeps other ports away.
 *
 * The socket is watched like any other. When its buffer has been too small (`overflow`), the watch reports an error and
 * stops (see Sys.watch): read, start it again, and sample to learn who is missing.
 */
import { type Fd, isSystemError, type Sys } from "../native/sys.ts";
import { constant } from "./constants.ts";
import { onlyLocalPorts } from "./filter.ts";
import { payloadReceived } from "./final-count.ts";

/** The last that is known of a connection. */
export interface Destroyed {
  /** SO_COOKIE, decimal: tells a connection from all others, also from later ones with the same ends. */
  cookie: string;
  localPort: number;
  /** Payload handed to the network. */
  bytesSent: number;
  /** Payload that came; exact as `final-count.ts` says. 0, as is `bytesSent`, after our side has reset it (SO_LINGER). */
  bytesReceived: number;
}

export type DestroyedSys = Pick<
  Sys,
  "socket" | "close" | "setsockopt" | "attachFilter" | "bindNetlink" | "inetDiagEvents" | "constants"
>;

/** Room for some thousand messages that nobody has had time to read. */
const receiveBuffer = 4 << 20;

/** A socket that is told of connections with these local ports; the caller's. Needs no privilege. */
export function openDestroyed(sys: DestroyedSys, ports: readonly number[]): Fd {
  const fd = sys.socket("netlink", "raw", constant(sys, "NETLINK_SOCK_DIAG"));
  try {
    enlarge(sys, fd);
    setDestroyedPorts(sys, fd, ports);
    const groups = ["SKNLGRP_INET_TCP_DESTROY", "SKNLGRP_INET6_TCP_DESTROY"];
    sys.bindNetlink(
      fd,
      groups.reduce((mask, name) => mask | (1 << (constant(sys, name) - 1)), 0),
    );
    return fd;
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}

/** Replaces the ports in one step. */
export function setDestroyedPorts(sys: Pick<Sys, "attachFilter">, fd: Fd, ports: readonly number[]): void {
  sys.attachFilter(fd, onlyLocalPorts(ports));
}

/**
 * Who has gone since the last time, at most about a thousand; `null` if nobody has. `overflow`: others were gone as
 * well, and the buffer had no room for them.
 */
export function readDestroyed(
  sys: Pick<Sys, "inetDiagEvents">,
  fd: Fd,
): { destroyed: Destroyed[]; overflow: boolean } | null {
  const rows = sys.inetDiagEvents(fd);
  if (rows === null) return null;
  const destroyed = Array.from({ length: rows.count }, (_, n) => ({
    cookie: `${rows.cookie[n]}`,
    localPort: rows.localPort[n] ?? 0,
    bytesSent: rows.bytesSent[n] ?? 0,
    bytesReceived: payloadReceived({
      received: rows.bytesReceived[n] ?? 0,
      sent: rows.bytesSent[n] ?? 0,
      acknowledged: rows.bytesAcked[n] ?? 0,
      unread: rows.receiveQueue[n] ?? 0,
    }),
  }));
  return { destroyed, overflow: rows.inconsistent };
}

/** Beyond net.core.rmem_max where we may (CAP_NET_ADMIN), else up to it. */
function enlarge(sys: DestroyedSys, fd: Fd): void {
  const level = constant(sys, "SOL_SOCKET");
  try {
    sys.setsockopt(fd, level, constant(sys, "SO_RCVBUFFORCE"), receiveBuffer);
  } catch (error) {
    if (!isSystemError(error) || error.code !== "EPERM") throw error;
    sys.setsockopt(fd, level, constant(sys, "SO_RCVBUF"), receiveBuffer);
  }
}
