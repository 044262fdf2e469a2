/** Accepting, for the handoffs in which tinetd does it: a few connections a turn, each described and let in or not. */

import { cleanText } from "../log/clean.ts";
import { type Accepted, isSystemError, READABLE, type SocketAddress } from "../native/sys.ts";
import { classifyAcceptError } from "../net/accept.ts";
import { type EndpointKind, formatSocketAddress } from "../net/address.ts";
import type { WatchedEnd } from "../net/ends.ts";
import type { BoundListener } from "../net/listen.ts";
import { unmap } from "../net/peer.ts";
import { unreachable } from "../util/unreachable.ts";
import type { Connection, HandoffHost, Incoming } from "./handoff.ts";

/** After so many connections in a row the other services get their turn. */
const acceptsPerTurn = 8;

/**
 * Accepts what waits at `listener`, and gives what is admitted to `take`, all at once, which keeps the descriptors.
 * Nothing is accepted that could not be served: the host is asked before each.
 * @param room for how many there is room, if it is not the service's limits alone that say it
 */
export function acceptWaiting(
  host: HandoffHost,
  listener: BoundListener,
  take: (incoming: readonly Incoming[]) => void,
  room: () => number = () => host.room(),
): void {
  const admitted: Incoming[] = [];
  for (let turn = 0; turn < acceptsPerTurn && host.mayGoOn() && admitted.length < room(); turn++) {
    // That somebody waits is known the first time. From then on it is asked, which takes 0.4 us: an accept4 that finds
    // nobody has made a socket before, and takes 5 us, for which those who were accepted would have to wait.
    if (turn > 0 && !isReadable(host, listener)) break;
    let accepted: Accepted | null;
    try {
      accepted = host.sys.accept(listener.fd);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      if (failed(host, listener, "accept", error.code)) continue;
      break;
    }
    if (accepted === null) break;
    const incoming = describe(host, listener, accepted);
    const objection = host.admit(admitted.length);
    if (objection === null) admitted.push(incoming);
    else host.refuse(incoming, objection);
  }
  if (admitted.length > 0) take(admitted);
}

function isReadable({ sys }: HandoffHost, { fd }: BoundListener): boolean {
  return (sys.poll(fd) & READABLE) !== 0;
}

/**
 * Sees to an error of accept4(2), or of recvmsg(2) on a datagram socket.
 * @returns whether only this one connection or datagram is lost, so that the next may be taken
 */
export function failed(
  host: Pick<HandoffHost, "shortage" | "broken">,
  listener: BoundListener,
  doing: "accept" | "read",
  code: string,
): boolean {
  const trouble = classifyAcceptError(code);
  switch (trouble) {
    case "transient":
      return true;
    case "shortage":
      host.shortage();
      return false;
    case "broken":
      host.broken(listener, `${doing}: ${code}`);
      return false;
    default:
      return unreachable(trouble);
  }
}

function describe(
  { sys, clock, nextConnection }: HandoffHost,
  listener: BoundListener,
  accepted: Accepted,
): Incoming {
  const isUnix = accepted.peer.family === "unix";
  return {
    fd: accepted.fd,
    listener,
    remote: unmap(accepted.peer),
    local: isUnix ? listener.address : unmap(sys.getsockname(accepted.fd)),
    credentials: isUnix ? sys.peerCredentials(accepted.fd) : null,
    id: nextConnection(),
    acceptedAt: clock.now(),
  };
}

/**
 * What is kept of a connection after its descriptor has gone.
 * @param end watches for its end
 */
export function remember(
  { id, listener, remote, local, credentials, acceptedAt }: Incoming,
  end: WatchedEnd | null = null,
): Connection {
  const unnamed = remote.family === "unix" && remote.path === null && credentials !== null;
  return {
    id,
    remote: unnamed ? `unix:pid=${credentials.pid},uid=${credentials.uid}` : peerName(listener.kind, remote),
    local: formatSocketAddress(listener.kind, local),
    acceptedAt,
    traffic: null,
    end,
  };
}

/** The longest that there is: `sun_path` with its kind in front. */
const longestName = 128;

/** The path of a Unix peer is of its own choosing, newlines and all. */
export function peerName(kind: EndpointKind, peer: SocketAddress): string {
  return cleanText(formatSocketAddress(kind, peer), longestName);
}
