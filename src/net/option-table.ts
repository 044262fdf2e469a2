/**
 * The one list of socket options that a listener can have: from which key each comes, how the kernel calls it for which
 * sockets, in which form it is set, and when. `options.ts` sets, verifies and repairs what stands here.
 */
import type { SocketShape } from "./kind.ts";
import type { ListenerOptions } from "./listener-options.ts";

/**
 * How a value looks to setsockopt and getsockopt:
 * `flag` 0 or 1 · `int` as it is · `text` a string of at most 16 bytes ·
 * `buffer` bytes, which the kernel doubles for its bookkeeping (socket(7)) ·
 * `seconds` which the kernel rounds up to its retransmission times (TCP_DEFER_ACCEPT in tcp(7)) ·
 * `tos` of which TCP keeps the two ECN bits for itself ·
 * `bytes` a struct, as hexadecimal digits, with its size.
 */
export type OptionForm = "flag" | "int" | "text" | "buffer" | "seconds" | "tos" | { bytes: number };

export interface OptionRow {
  /** The key of inetd.toml; `null`: nobody declares it, but a handler that changes it would hurt the next one. */
  key: string | null;
  /** Names of the level and the option in the kernel's headers. */
  level: string;
  option: string;
  /** The variant that ignores the system's maximum, for those who have CAP_NET_ADMIN. */
  force?: string;
  form: OptionForm;
  /** `bind`: of no effect, or refused, once the socket is bound. `open`: at any time. */
  when: "bind" | "open";
  applies: (shape: SocketShape) => boolean;
  /** What was declared, in the unit of the kernel; nothing leaves the kernel's default. */
  value: (options: ListenerOptions) => number | string | null | undefined;
}

const any = () => true;
const internet = (shape: SocketShape) => shape.domain !== "unix";
/** IPv4 packets: also those that come over a dual-stack socket. */
const v4 = (shape: SocketShape) => shape.domain === "inet" || shape.dual;
const onlyV4 = (shape: SocketShape) => shape.domain === "inet";
const v6 = (shape: SocketShape) => shape.domain === "inet6";
const tcp = (shape: SocketShape) => internet(shape) && shape.type === "stream";
const udp = (shape: SocketShape) => internet(shape) && shape.type === "dgram";
const onlyV4Udp = (shape: SocketShape) => onlyV4(shape) && udp(shape);
const v6Udp = (shape: SocketShape) => v6(shape) && udp(shape);
const undeclared = () => undefined;

/** In the order in which they are set. */
export const optionTable: readonly OptionRow[] = [
  // Always set, since net.ipv6.bindv6only changes the default under us.
  row("v6only", "IPPROTO_IPV6", "IPV6_V6ONLY", "flag", "bind", v6, (o) => flag(o.v6only) ?? 0),
  row("reuse_port", "SOL_SOCKET", "SO_REUSEPORT", "flag", "bind", internet, (o) => flag(o.reusePort)),
  row("device", "SOL_SOCKET", "SO_BINDTODEVICE", "text", "bind", internet, (o) => o.device),
  // One flag of the socket in the kernel, whichever family's name sets it.
  row("free_bind", "IPPROTO_IP", "IP_FREEBIND", "flag", "bind", onlyV4, (o) => flag(o.freeBind)),
  row("free_bind", "IPPROTO_IPV6", "IPV6_FREEBIND", "flag", "bind", v6, (o) => flag(o.freeBind)),
  row("transparent", "IPPROTO_IP", "IP_TRANSPARENT", "flag", "bind", onlyV4, (o) => flag(o.transparent)),
  row("transparent", "IPPROTO_IPV6", "IPV6_TRANSPARENT", "flag", "bind", v6, (o) => flag(o.transparent)),
  // Before listen, because a TCP connection's window scale is chosen from the buffer at its first segment.
  {
    ...row("receive_buffer", "SOL_SOCKET", "SO_RCVBUF", "buffer", "open", any, (o) => o.receiveBuffer),
    force: "SO_RCVBUFFORCE",
  },
  {
    ...row("send_buffer", "SOL_SOCKET", "SO_SNDBUF", "buffer", "open", any, (o) => o.sendBuffer),
    force: "SO_SNDBUFFORCE",
  },
  row("tos", "IPPROTO_IP", "IP_TOS", "tos", "open", v4, (o) => o.tos),
  row("tos", "IPPROTO_IPV6", "IPV6_TCLASS", "tos", "open", v6, (o) => o.tos),
  // After tos: setting IP_TOS changes the priority along with it (ip(7)).
  row("priority", "SOL_SOCKET", "SO_PRIORITY", "int", "open", any, (o) => o.priority),
  row("mark", "SOL_SOCKET", "SO_MARK", "int", "open", internet, (o) => asInt(o.mark)),
  row("ttl", "IPPROTO_IP", "IP_TTL", "int", "open", v4, (o) => o.ttl),
  row("ttl", "IPPROTO_IPV6", "IPV6_UNICAST_HOPS", "int", "open", v6, (o) => o.ttl),
  // These stand on the listener because accepted sockets inherit them: the first client has them as well.
  row("no_delay", "IPPROTO_TCP", "TCP_NODELAY", "flag", "open", tcp, (o) => flag(o.noDelay)),
  row("keep_alive", "SOL_SOCKET", "SO_KEEPALIVE", "flag", "open", tcp, (o) => (o.keepAlive ? 1 : null)),
  row("keep_alive.idle", "IPPROTO_TCP", "TCP_KEEPIDLE", "int", "open", tcp, (o) => o.keepAlive?.idle),
  row(
    "keep_alive.interval",
    "IPPROTO_TCP",
    "TCP_KEEPINTVL",
    "int",
    "open",
    tcp,
    (o) => o.keepAlive?.interval,
  ),
  row("keep_alive.count", "IPPROTO_TCP", "TCP_KEEPCNT", "int", "open", tcp, (o) => o.keepAlive?.count),
  row("congestion", "IPPROTO_TCP", "TCP_CONGESTION", "text", "open", tcp, (o) => o.congestion),
  row("defer_accept", "IPPROTO_TCP", "TCP_DEFER_ACCEPT", "seconds", "open", tcp, (o) => o.deferAccept),
  row("fast_open", "IPPROTO_TCP", "TCP_FASTOPEN", "int", "open", tcp, (o) => o.fastOpen),
  row("broadcast", "SOL_SOCKET", "SO_BROADCAST", "flag", "open", udp, (o) => flag(o.broadcast)),
  // On a dual-stack socket IPV6_PKTINFO tells of IPv4 datagrams too; both would give every datagram two messages.
  row("packet_info", "IPPROTO_IP", "IP_PKTINFO", "flag", "open", onlyV4Udp, (o) => flag(o.packetInfo)),
  row("packet_info", "IPPROTO_IPV6", "IPV6_RECVPKTINFO", "flag", "open", v6Udp, (o) => flag(o.packetInfo)),
  // Inherited by accepted sockets too: a handler that leaves one of these behind would cut off or reset later clients.
  row(null, "SOL_SOCKET", "SO_LINGER", { bytes: 8 }, "open", any, undeclared),
  row(null, "SOL_SOCKET", "SO_RCVTIMEO", { bytes: 16 }, "open", any, undeclared),
  row(null, "SOL_SOCKET", "SO_SNDTIMEO", { bytes: 16 }, "open", any, undeclared),
  row(null, "SOL_SOCKET", "SO_RCVLOWAT", "int", "open", any, undeclared),
  row(null, "IPPROTO_TCP", "TCP_USER_TIMEOUT", "int", "open", tcp, undeclared),
];

function row(
  key: OptionRow["key"],
  level: string,
  option: string,
  form: OptionForm,
  when: OptionRow["when"],
  applies: OptionRow["applies"],
  value: OptionRow["value"],
): OptionRow {
  return { key, level, option, form, when, applies, value };
}

function flag(value: boolean | null | undefined): 1 | null {
  return value === true ? 1 : null;
}

/** The kernel's marks are unsigned, the option is an int: the same 32 bits. */
function asInt(value: number | null | undefined): number | null {
  return value === null || value === undefined ? null : value | 0;
}
