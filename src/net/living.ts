/** Which sockets there are, by SO_COOKIE (decimal): to learn who is missing. `netlink` is a NETLINK_SOCK_DIAG socket. */
import type { Fd, Sys } from "../native/sys.ts";
import { unixStates } from "./diag-unix.ts";

/**
 * The TCP connections at these local ports, or `null` if the kernel cannot tell. One that was reset is not among them,
 * though a process may still hold it.
 */
export function livingTcp(
  sys: Pick<Sys, "inetDiag">,
  netlink: Fd,
  ports: readonly number[],
): ReadonlySet<string> | null {
  const alive = new Set<string>();
  for (const family of ["inet", "inet6"] as const) {
    for (let first = 0; first < ports.length; first += mostPorts) {
      const some = ports.slice(first, first + mostPorts);
      const rows = sys.inetDiag(netlink, family, "tcp", allStates, some, false);
      if (rows.inconsistent) return null;
      for (let n = 0; n < rows.count; n++) alive.add(`${rows.cookie[n]}`);
    }
  }
  return alive;
}

/** The Unix sockets of the machine, and whether each has another end that somebody holds; `null` as above. */
export function livingUnix(sys: Pick<Sys, "unixDiag">, netlink: Fd): ReadonlyMap<string, boolean> | null {
  const rows = sys.unixDiag(netlink, unixStates.all, false);
  if (rows.inconsistent) return null;
  return new Map(Array.from(rows.cookie, (cookie, n) => [`${cookie}`, rows.peerInode[n] !== 0]));
}

/** Every state that a socket with a cookie of its own can be in. */
const allStates = 0xfff;

/** In one question. */
const mostPorts = 1024;
