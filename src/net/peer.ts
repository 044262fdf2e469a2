/**
 * Who is at the other end of a connection: as the log names it, and as a handler learns it from its environment. On the
 * way of every connection, so no lookup and no allocation but the strings themselves.
 */
import type { PeerCredentials, SocketAddress } from "../native/sys.ts";
import { unreachable } from "../util/unreachable.ts";
import { unmapped } from "./address.ts";
import type { InetKind, ListenerKind, UnixKind } from "./kind.ts";

/**
 * An IPv4 client of a dual-stack socket appears as `::ffff:192.0.2.1` (RFC 4291, 2.5.5.2): here it becomes plain IPv4,
 * which is what rules, logs and handlers speak of. Any other address comes back as it is.
 */
export function unmap(address: SocketAddress): SocketAddress {
  if (address.family !== "inet6") return address;
  const v4 = unmapped(address.address);
  return v4 === address.address ? address : { family: "inet", address: v4, port: address.port };
}

/** `192.0.2.1:51324`, `[2001:db8::1]:51324`; for Unix `pid 812 uid 1000`, or its path where credentials are unknown. */
export function describePeer(peer: SocketAddress, credentials: PeerCredentials | null = null): string {
  switch (peer.family) {
    case "inet":
      return `${peer.address}:${peer.port}`;
    case "inet6": {
      const address = unmapped(peer.address);
      if (address !== peer.address) return `${address}:${peer.port}`;
      return `[${address}${peer.scope === 0 ? "" : `%${peer.scope}`}]:${peer.port}`;
    }
    case "unix":
      if (credentials !== null) return `pid ${credentials.pid} uid ${credentials.uid}`;
      return peer.path ?? "unnamed";
    default:
      return unreachable(peer);
  }
}

/**
 * The variables of a `stdio` handler, as `NAME=value`: those of UCSPI (tcpserver, unixserver), the `REMOTE_*` that
 * other programs look for, and `TINETD_CONNECTION`.
 * @param local where the client connected to; for Unix the listener's declared path
 * @param credentials SO_PEERCRED of a Unix peer
 * @param id unique among all connections, also over upgrades
 */
export function connectionVariables(
  kind: ListenerKind,
  local: SocketAddress,
  remote: SocketAddress,
  credentials: PeerCredentials | null,
  id: string | number,
): string[] {
  switch (kind) {
    case "tcp":
    case "udp":
      return inetVariables(kind, unmap(local), unmap(remote), id);
    case "unix":
    case "unix-dgram":
    case "unix-seqpacket":
      return unixVariables(kind, local, credentials, id);
    case "fifo":
      return [`TINETD_CONNECTION=${id}`];
    default:
      return unreachable(kind);
  }
}

function inetVariables(
  kind: InetKind,
  local: SocketAddress,
  remote: SocketAddress,
  id: string | number,
): string[] {
  if (local.family === "unix" || remote.family === "unix") throw new Error(`a Unix address on ${kind}`);
  const prefix = kind === "tcp" ? "TCP" : "UDP";
  return [
    `PROTO=${prefix}`,
    `${prefix}REMOTEIP=${remote.address}`,
    `${prefix}REMOTEPORT=${remote.port}`,
    `${prefix}LOCALIP=${local.address}`,
    `${prefix}LOCALPORT=${local.port}`,
    `REMOTE_ADDR=${remote.address}`,
    `REMOTE_PORT=${remote.port}`,
    // The address again: a name would need a lookup on the way of the connection, and could be forged.
    `REMOTE_HOST=${remote.address}`,
    `TINETD_CONNECTION=${id}`,
  ];
}

function unixVariables(
  kind: UnixKind,
  local: SocketAddress,
  credentials: PeerCredentials | null,
  id: string | number,
): string[] {
  if (local.family !== "unix") throw new Error(`an Internet address on ${kind}`);
  const variables = ["PROTO=UNIX", `UNIXLOCALPATH=${local.path ?? ""}`, `TINETD_CONNECTION=${id}`];
  if (credentials !== null) {
    variables.push(
      `UNIXREMOTEPID=${credentials.pid}`,
      `UNIXREMOTEEUID=${credentials.uid}`,
      `UNIXREMOTEEGID=${credentials.gid}`,
    );
  }
  return variables;
}
