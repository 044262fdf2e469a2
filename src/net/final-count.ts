/**
 * The client's end of a TCP connection (FIN) is a byte in the kernel's count of what was received, and the last that
 * the kernel tells of a socket does not say whether one came: the state is "closed" by then, whatever was before.
 *
 * It can be known all the same. Who has acknowledged our FIN has as a rule sent his own before the socket goes: either
 * before ours, or after it, since a socket whose process has gone waits for it. With one exception, which is done away
 * with here: when the other side only acknowledges, Linux replaces such a socket at once by a smaller record that counts
 * nothing (FIN_WAIT2, see tcp_rcv_state_process), and the FIN that is still to come is not in the count. It keeps the
 * socket if it is to wait for more than a minute: for what goes beyond that (tcp_fin_timeout and TCP_LINGER2 in tcp(7)).
 *
 * What remains is one byte more or less after a reset; with our own (SO_LINGER, unread data) as with the client's.
 */
import type { Fd, Sys } from "../native/sys.ts";
import { constant } from "./constants.ts";

/**
 * The socket itself waits for the client's FIN for 30 s, and the smaller record for 30 s more: together the minute that
 * it is by default.
 */
const lingerSeconds = 90;

/** Has the FIN of this connection in the count when its end is told, whoever closes first. Borrows. */
export function countFin(sys: Pick<Sys, "setsockopt" | "constants">, fd: Fd): void {
  sys.setsockopt(fd, constant(sys, "IPPROTO_TCP"), constant(sys, "TCP_LINGER2"), lingerSeconds);
}

/** The counters of a socket that has gone, as tcp_info has them. */
export interface FinalCounters {
  received: number;
  sent: number;
  /** Of what was sent, and one more for our own FIN. */
  acknowledged: number;
  /** What the process has not read, also of a FIN. */
  unread: number;
}

/** How much of `received` was payload. Pure. */
export function payloadReceived({ received, sent, acknowledged, unread }: FinalCounters): number {
  // With more left unread than a FIN, the connection was reset by our own side.
  return acknowledged > sent && unread <= 1 ? received - 1 : received;
}
