/** The states of a TCP socket, as sock_diag(7) and /proc/net/tcp number them; Unix sockets use some of them. */

/** By number, which is part of the kernel's interface (include/net/tcp_states.h). */
export const tcpStates = [
  "none",
  "established",
  "syn-sent",
  "syn-received",
  "fin-wait-1",
  "fin-wait-2",
  "time-wait",
  "closed",
  "close-wait",
  "last-ack",
  "listening",
  "closing",
] as const;
export type TcpState = (typeof tcpStates)[number];

/** The states as a question names them. */
export function stateMask(...states: readonly TcpState[]): number {
  return states.reduce((mask, state) => mask | (1 << tcpStates.indexOf(state)), 0);
}

/** All in which a socket can be a listener's or a process's. */
export const liveStates = stateMask(
  "established",
  "syn-sent",
  "syn-received",
  "fin-wait-1",
  "fin-wait-2",
  "close-wait",
  "last-ack",
  "listening",
  "closing",
);
