/**
 * Asks the kernel (sock_diag(7)) about connections whose descriptors others hold: how many are open at a listener, who
 * waits in its queue, what a connection has sent and received. One question per service and address family, however
 * many connections there are; whoever decides over the answers needs neither socket nor clock.
 *
 * `netlink` is a NETLINK_SOCK_DIAG socket everywhere, borrowed. Nothing here waits.
 */
import type { InetDiagRows, UnixDiagRows } from "../native/diag.ts";
import { type Fd, isSystemError, type SocketAddress, type Sys } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { connectionsOf, type TcpListener } from "./diag-owner.ts";
import { countTcp, queuedAtTcp } from "./diag-tcp.ts";
import { countUnix, queuedAtUnix, rowOfUnix, unixStates } from "./diag-unix.ts";
import { takesConnections } from "./kind.ts";
import type { BoundListener } from "./listener.ts";
import { type ConnectionCount, noConnections, type TcpSample, unnamed } from "./sample.ts";
import { tcpSampleAt } from "./tcp-sample.ts";
import { liveStates } from "./tcp-state.ts";

/** What of the world it takes to ask. */
export type DiagSys = Pick<Sys, "inetDiag" | "inetDiagOne" | "unixDiag" | "socketCookie">;

/** Why the kernel could not tell: nothing is known then, and nobody may be taken for idle. */
export type DiagFailure = string;

/** What is open at each listener, in the order given; nothing at those of kinds that take no connections. */
export function countConnections(
  sys: DiagSys,
  netlink: Fd,
  listeners: readonly BoundListener[],
): Result<ConnectionCount[], DiagFailure> {
  const counts = new Map<BoundListener, ConnectionCount>();
  for (const family of families) {
    const group = ofFamily(listeners, family);
    if (group.length === 0) continue;
    const counted =
      family === "unix" ? countAllUnix(sys, netlink, group) : countAllTcp(sys, netlink, family, group);
    if (!counted.ok) return counted;
    group.forEach((listener, position) => {
      counts.set(listener, counted.value[position] ?? noConnections);
    });
  }
  return ok(listeners.map((listener) => counts.get(listener) ?? noConnections));
}

/** Every TCP connection that came through one of the listeners, held by a process or not, with what it has carried. */
export function sampleConnections(
  sys: DiagSys,
  netlink: Fd,
  listeners: readonly BoundListener[],
): Result<TcpSample[], DiagFailure> {
  const samples: TcpSample[] = [];
  for (const family of internetFamilies) {
    const group = ofFamily(listeners, family);
    if (group.length === 0) continue;
    const rows = askTcp(sys, netlink, family, group, true);
    if (!rows.ok) return rows;
    const ours = connectionsOf(rows.value, tcpListeners(sys, group));
    for (const { n } of ours) samples.push(tcpSampleAt(rows.value, n));
  }
  return ok(samples);
}

/** One TCP connection by its ends, as accept and getsockname told them, and its cookie; `null` if it is gone. */
export function sampleConnection(
  sys: DiagSys,
  netlink: Fd,
  { local, remote, cookie }: { local: SocketAddress; remote: SocketAddress; cookie: string },
): Result<TcpSample | null, DiagFailure> {
  const rows = consistently(() => sys.inetDiagOne(netlink, "tcp", local, remote, cookie));
  return rows.ok ? ok(rows.value.count === 0 ? null : tcpSampleAt(rows.value, 0)) : rows;
}

/**
 * Names of the connections in a listener's queue, each the same for as long as it waits: the cookie of a TCP
 * connection, the client's inode of a Unix one. A connection that its client has given up still waits to be accepted,
 * but the kernel shows no name of it: such are numbered. Empty where the kernel cannot tell.
 */
export function queuedConnections(sys: DiagSys, netlink: Fd, listener: BoundListener): string[] {
  const cookie = sys.socketCookie(listener.fd);
  if (listener.address.family === "unix") {
    const rows = askUnix(sys, netlink, unixStates.listening, true, [cookie]);
    if (rows.ok) return queuedAtUnix(rows.value, rowOfUnix(rows.value, cookie));
    // A queue of several thousand does not fit into an answer, but its length does.
    const counted = countAllUnix(sys, netlink, [listener]);
    return counted.ok ? unnamed(counted.value[0]?.queued ?? 0) : [];
  }
  const rows = askTcp(sys, netlink, listener.address.family, [listener], false);
  return rows.ok ? tcpListeners(sys, [listener]).flatMap((one) => queuedAtTcp(rows.value, one)) : [];
}

const internetFamilies = ["inet", "inet6"] as const;
const families = [...internetFamilies, "unix"] as const;
type InternetFamily = (typeof internetFamilies)[number];

function ofFamily(
  listeners: readonly BoundListener[],
  family: BoundListener["address"]["family"],
): BoundListener[] {
  return listeners.filter(({ kind, address }) => takesConnections(kind) && address.family === family);
}

function countAllTcp(
  sys: DiagSys,
  netlink: Fd,
  family: InternetFamily,
  listeners: readonly BoundListener[],
): Result<ConnectionCount[], DiagFailure> {
  const rows = askTcp(sys, netlink, family, listeners, false);
  return rows.ok ? ok(countTcp(rows.value, tcpListeners(sys, listeners))) : rows;
}

function countAllUnix(
  sys: DiagSys,
  netlink: Fd,
  listeners: readonly BoundListener[],
): Result<ConnectionCount[], DiagFailure> {
  const cookies = listeners.map(({ fd }) => sys.socketCookie(fd));
  const rows = askUnix(sys, netlink, unixStates.all, false, cookies);
  return rows.ok ? ok(cookies.map((cookie) => countUnix(rows.value, rowOfUnix(rows.value, cookie)))) : rows;
}

/** All sockets of one family on the listeners' ports. */
function askTcp(
  sys: DiagSys,
  netlink: Fd,
  family: InternetFamily,
  listeners: readonly BoundListener[],
  info: boolean,
): Result<InetDiagRows, DiagFailure> {
  const ports = new Set(
    listeners.flatMap(({ address }) => (address.family === "unix" ? [] : [address.port])),
  );
  return consistently(() => sys.inetDiag(netlink, family, "tcp", liveStates, [...ports], info));
}

function tcpListeners(sys: DiagSys, listeners: readonly BoundListener[]): TcpListener[] {
  return listeners.flatMap(({ fd, address }) =>
    address.family === "unix"
      ? []
      : [{ cookie: sys.socketCookie(fd), address: address.address, port: address.port }],
  );
}

/** All Unix sockets there are: the kernel has no filter for them. The listeners must be among them. */
function askUnix(
  sys: DiagSys,
  netlink: Fd,
  states: number,
  pending: boolean,
  cookies: readonly string[],
): Result<UnixDiagRows, DiagFailure> {
  return consistently(
    () => sys.unixDiag(netlink, states, pending),
    (rows) => cookies.every((cookie) => rowOfUnix(rows, cookie) >= 0),
  );
}

/** How often to ask before giving up. The first answers on a new netlink socket are shorter than later ones. */
const mostAttempts = 3;

function consistently<T extends { inconsistent: boolean }>(
  ask: () => T,
  isComplete: (answer: T) => boolean = () => true,
): Result<T, DiagFailure> {
  try {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const answer = ask();
      if (!answer.inconsistent && isComplete(answer)) return ok(answer);
    }
    return err(`the kernel's answer was incomplete ${mostAttempts} times`);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return err(error.message);
  }
}
