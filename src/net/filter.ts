/**
 * Classic BPF programs (linux/filter.h) as `sys.attachFilter` takes them. Pure.
 *
 * A program of a TCP listener sees each segment from its TCP header on (offset 0), the IP header from SKF_NET_OFF on.
 * What it lets in keeps it: an accepted socket has its listener's program for life. So a program may drop what opens
 * connections, and nothing that belongs to one; and it is replaced by another, never detached, since access rules
 * will be in it.
 */

/** Four numbers per instruction: code, jt, jf, k. */
export type Program = readonly number[];

/** Instructions that drop what they are against, and go on at their end otherwise. */
type Guard = readonly number[];

const loadByte = 0x30; // BPF_LD | BPF_B | BPF_ABS: from the fixed offset k
const loadHalf = 0x28; // BPF_LD | BPF_H | BPF_ABS: 16 bits in network order
const and = 0x54; // BPF_ALU | BPF_AND | BPF_K
const jumpIfEqual = 0x15; // BPF_JMP | BPF_JEQ | BPF_K: skips jt instructions, or jf
const end = 0x06; // BPF_RET | BPF_K: how many bytes to keep

/** As many bytes as there are. */
const pass = [end, 0, 0, 0xffff_ffff];
const drop = [end, 0, 0, 0];

/** Lets everything in. */
export function passAll(): Program {
  return program();
}

/**
 * Drops knocks: segments with SYN and without ACK. The client notices nothing and sends it again after 1, 3, 7 s. An
 * accepted connection gets no such segment that it would miss.
 */
export function dropSyn(): Program {
  return program(againstSyn);
}

/** Rules against sources will be further guards. */
function program(...guards: readonly Guard[]): Program {
  return [...guards.flat(), ...pass];
}

/** The offset of the flags in a TCP header (RFC 9293 section 3.1), and two of them. */
const tcpFlags = 13;
const synFlag = 0x02;
const ackFlag = 0x10;

const againstSyn: Guard = [
  ...[loadByte, 0, 0, tcpFlags],
  ...[and, 0, 0, synFlag | ackFlag],
  ...[jumpIfEqual, 0, 1, synFlag],
  ...drop,
];

/** Where the local port is in a message of a SKNLGRP_INET*_DESTROY group: nlmsghdr, then struct inet_diag_msg. */
const localPort = 16 + 4;

/**
 * Two programs of this many ports, the old and the new one, fit into the least memory that kernels give to the options
 * of a socket (net.core.optmem_max, 20480 bytes before Linux 6.7).
 */
export const mostPorts = 256;

/**
 * For a netlink socket in a SKNLGRP_INET*_DESTROY group: only messages of sockets with one of these local ports, so
 * that the connections of others do not wake us. Lets all in if there are more than `mostPorts`.
 */
export function onlyLocalPorts(ports: readonly number[]): Program {
  if (ports.length > mostPorts) return passAll();
  const tests = ports.flatMap((port) => [...[jumpIfEqual, 0, 1, port], ...pass]);
  return [...[loadHalf, 0, 0, localPort], ...tests, ...drop];
}
