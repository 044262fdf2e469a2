/** A listener: a socket that is bound, or a FIFO that is open, with what must be known to keep it right and to end it. */
import { readFileSync } from "node:fs";
import type { Carry } from "../native/carry.ts";
import { type Fd, isSystemError, type SocketAddress, type Sys } from "../native/sys.ts";
import { formatSocketAddress } from "./address.ts";
import { type ListenerKind, type SocketShape, takesConnections } from "./kind.ts";
import { joinGroups } from "./multicast.ts";
import { removeNode, type UnixNode } from "./node.ts";
import { type OptionFailure, type RecordedOptions, repairOptions } from "./options.ts";

/** Plain data, so that it survives an upgrade; the descriptor is the listener's own. */
export interface BoundListener {
  /** Close-on-exec and non-blocking. */
  fd: Fd;
  kind: ListenerKind;
  /** With the port that was taken where 0 was declared; of a Unix socket the declared path. */
  address: SocketAddress;
  /** As `status` and events name it: `tcp://127.0.0.1:7000`. */
  canonical: string;
  /** For LISTEN_FDNAMES. */
  name: string;
  /** How many connections may really wait; 0 for kinds that take none. */
  backlog: number;
  /** The node that we made and remove; `null` where there is none, or where it is not ours to remove. */
  node: UnixNode | null;
  /** A second socket of the same path (`twin.ts`), where one was asked for. */
  twin: Twin | null;
  /** What a handler may not change for its successors; `null` for a FIFO, which has no options. */
  settings: ListenerSettings | null;
}

/** The path leads to one of the two nodes; the other has a name of its own beside it. */
export interface Twin {
  fd: Fd;
  node: UnixNode;
}

export interface ListenerSettings {
  shape: SocketShape;
  recorded: RecordedOptions;
  /** Multicast groups to be a member of. */
  groups: readonly string[];
}

/** Whether the path leads to the twin, and not to the socket that workers get. */
export function leadsToTwin({ twin, address }: BoundListener): boolean {
  return twin !== null && address.family === "unix" && twin.node.path === address.path;
}

/** A copy with the descriptors that `carry` has given for them. */
export function carryListener(listener: BoundListener, carry: Carry): BoundListener {
  const { fd, twin } = listener;
  return { ...listener, fd: carry(fd), twin: twin === null ? null : { ...twin, fd: carry(twin.fd) } };
}

/** Closes a listener for good. First its nodes go: while a socket is open, its node cannot be mistaken for another. */
export function closeListener(sys: Pick<Sys, "close" | "lockFile">, listener: BoundListener): void {
  const { fd, node, twin } = listener;
  const nodes = [node, twin?.node ?? null];
  // The one at the path last: until then another daemon finds the path in use, and nothing else.
  for (const one of leadsToTwin(listener) ? nodes : nodes.reverse()) if (one !== null) removeNode(sys, one);
  sys.close(fd);
  if (twin !== null) sys.close(twin.fd);
}

/**
 * Puts right what a handler that shared the socket has changed: options, memberships, and the non-blocking flag, which
 * belongs to the open file and not to the process.
 * @returns the kernel's names of what was put right, and what could not be
 */
export function repairListener(
  sys: Sys,
  listener: BoundListener,
): { repaired: string[]; failures: OptionFailure[] } {
  const { fd, settings } = listener;
  const repaired: string[] = [];
  const failures: OptionFailure[] = [];
  if (sys.isBlocking(fd)) {
    sys.setBlocking(fd, false);
    repaired.push("O_NONBLOCK");
  }
  if (settings === null) return { repaired, failures };
  const options = repairOptions(sys, fd, settings.shape, settings.recorded);
  const groups = joinGroups(sys, fd, settings.shape, settings.groups);
  const peer = peerOf(sys, listener);
  return {
    repaired: [...repaired, ...options.repaired],
    failures: [
      ...options.failures,
      ...(groups.ok ? [] : [groups.error]),
      ...(peer === null ? [] : [{ option: "the peer", code: null, reason: `it is connected to ${peer}` }]),
    ],
  };
}

/**
 * Whom a datagram socket is connected to: it hears nobody else then. Only a new socket is a way out of that, since one
 * that is disconnected gives up a port that it did not ask for by number.
 */
function peerOf(sys: Pick<Sys, "getpeername">, { fd, kind }: BoundListener): string | null {
  if (kind === "fifo" || takesConnections(kind)) return null;
  try {
    return formatSocketAddress(kind, sys.getpeername(fd));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return null;
  }
}

/** The queue that listen(2) really makes: it caps what was declared at net.core.somaxconn without a word. */
export function effectiveBacklog(kind: ListenerKind, declared: number): number {
  if (!takesConnections(kind)) return 0;
  const now = performance.now();
  if (now > longestQueue.readAt + mostAgeMs) longestQueue = { length: readLongestQueue(), readAt: now };
  return Math.min(declared, longestQueue.length);
}

/** It rarely changes, and a thousand services that start at once would read it a thousand times: 0.2 ms each. */
const mostAgeMs = 1_000;
let longestQueue = { length: 0, readAt: Number.NEGATIVE_INFINITY };

function readLongestQueue(): number {
  try {
    return Number(readFileSync("/proc/sys/net/core/somaxconn", "ascii"));
  } catch {
    // Not to be seen in some sandboxes: then what was declared is the best we know.
    return Number.POSITIVE_INFINITY;
  }
}
