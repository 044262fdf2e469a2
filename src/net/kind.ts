/** The kinds of listener there are once an address is resolved, and the sockets they are made of. */
import type { SocketAddress, SocketType } from "../native/sys.ts";

/** Named as the schemes of an address are: `unix` is a stream. */
export type ListenerKind = InetKind | UnixKind | "fifo";
export type InetKind = "tcp" | "udp";
export type UnixKind = "unix" | "unix-dgram" | "unix-seqpacket";
export type SocketKind = InetKind | UnixKind;

/** The type of socket(2) that a kind is made of. */
export const socketTypes = {
  tcp: "stream",
  udp: "dgram",
  unix: "stream",
  "unix-dgram": "dgram",
  "unix-seqpacket": "seqpacket",
} as const satisfies Record<SocketKind, SocketType>;

/** What decides which options a socket has. */
export interface SocketShape {
  domain: "inet" | "inet6" | "unix";
  type: "stream" | "dgram" | "seqpacket";
  /** An IPv6 wildcard socket that takes IPv4 as well. */
  dual: boolean;
}

/** Whether clients connect to it, so that it has a queue of connections (listen(2)). */
export function takesConnections(kind: ListenerKind): boolean {
  return kind !== "fifo" && socketTypes[kind] !== "dgram";
}

/** The shape of a socket of this kind at this address. `v6only` matters for the IPv6 wildcard alone. */
export function shapeOf(kind: SocketKind, address: SocketAddress, v6only: boolean): SocketShape {
  const dual = address.family === "inet6" && address.address === "::" && !v6only;
  return { domain: address.family, type: socketTypes[kind], dual };
}
