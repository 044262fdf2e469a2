/**
 * Datagrams of a UDP listener: who sent each and which of our addresses he asked, so that the answer comes from there.
 * A socket that is bound to all addresses would answer from the one that routing likes best, which on a machine with
 * several is a stranger to whoever asked another.
 */
import { isSystemError, type SocketAddress, type Sys } from "../native/sys.ts";
import { constant } from "./constants.ts";
import type { BoundListener } from "./listener.ts";
import { unmap } from "./peer.ts";

/** The two ends of an exchange, as the listener's socket names them: IPv4 is mapped on a dual-stack one. */
export interface Route {
  readonly remote: SocketAddress;
  /** The address of ours that was asked; its port means nothing. */
  readonly asked: SocketAddress | null;
}

export interface Datagram extends Route {
  /** Borrowed: valid until the next datagram is received, at whatever socket. */
  readonly data: Uint8Array;
}

/** More than any UDP datagram has (65,527 bytes over IPv6): one that fills it is cut, and nothing that can be sent. */
const scratch = Buffer.allocUnsafeSlow(65_536);

/** What receives a datagram may use it too, as long as it is done with it before the next. */
export function datagramBuffer(): Buffer {
  return scratch;
}

/** Has the kernel say of each datagram to which address it was sent. Borrows the socket. */
export function askForDestinations(
  sys: Pick<Sys, "constants" | "setsockopt">,
  { fd, address }: BoundListener,
): void {
  // On a dual-stack socket IPv6's tells of IPv4 datagrams as well.
  const [level, option] =
    address.family === "inet" ? ["IPPROTO_IP", "IP_PKTINFO"] : ["IPPROTO_IPV6", "IPV6_RECVPKTINFO"];
  sys.setsockopt(fd, constant(sys, level), constant(sys, option), 1);
}

/**
 * The next datagram that waits at a listener, or `null`.
 * @throws what recvmsg(2) reports
 */
export function receiveDatagram(sys: Pick<Sys, "receiveMessage">, listener: BoundListener): Datagram | null {
  const message = sys.receiveMessage(listener.fd, scratch);
  if (message === null) return null;
  const { from, to, length } = message;
  if (from === null) throw new Error(`a datagram without a sender on ${listener.canonical}`);
  return { remote: from, asked: to?.address ?? null, data: scratch.subarray(0, length) };
}

/** `full`: the socket has no room just now. `lost`: too long, no way to the peer, a filter; trying again is no use. */
export type Sent = "sent" | "full" | "lost";

/** Answers on a route, from the address that was asked. */
export function sendDatagram(
  sys: Pick<Sys, "sendMessage">,
  { fd }: BoundListener,
  { remote, asked }: Route,
  data: Uint8Array,
): Sent {
  const attempt = (source: SocketAddress | null) => {
    try {
      return sys.sendMessage(fd, data, remote, [], source) === null ? "full" : "sent";
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return error.code;
    }
  };
  const first = attempt(asked);
  const sent = asked !== null && noSource.has(first) ? attempt(null) : first;
  return sent === "sent" || sent === "full" ? sent : "lost";
}

/** What was asked is a broadcast or multicast address: no answer comes from one, the kernel chooses another. */
const noSource: ReadonlySet<string> = new Set(["EINVAL", "ENETUNREACH"]);

/** The same for every datagram of one peer to one of our addresses, and for no other. */
export function routeKey({ fd }: BoundListener, { remote, asked }: Route): string {
  return `${fd} ${text(remote)} ${asked === null ? "" : text(asked)}`;
}

function text(address: SocketAddress): string {
  if (address.family === "inet") return `${address.address}:${address.port}`;
  if (address.family === "inet6") return `${address.address}%${address.scope}:${address.port}`;
  return address.path ?? "";
}

/** Both ends as logs and handlers know them: plain IPv4 where it is, our end with the listener's port. */
export function describeRoute(
  { address }: BoundListener,
  { remote, asked }: Route,
): { remote: SocketAddress; local: SocketAddress } {
  if (asked === null || asked.family === "unix" || address.family === "unix") {
    return { remote: unmap(remote), local: unmap(address) };
  }
  return { remote: unmap(remote), local: unmap({ ...asked, port: address.port }) };
}
