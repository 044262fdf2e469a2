/** One relayed connection as JSON, for a `proxy` that is saved and restored (an upgrade). */
import type { Carry } from "../native/carry.ts";
import type { Fd, Relay, RelayState, RelayWay } from "../native/sys.ts";
import type { Connection } from "./handoff.ts";
import type { UnsentReader, UnsentWriter } from "./unsent.ts";

export interface SavedRelay {
  connection: Pick<Connection, "id" | "remote" | "local" | "acceptedAt">;
  client: Fd;
  upstream: Fd;
  /** From the client to the daemon. */
  up: SavedWay;
  down: SavedWay;
  /** When the last byte has moved, on the monotonic clock. */
  activeAt: number;
}

interface SavedWay extends Omit<RelayWay, "unsent"> {
  /** How much; what it is stands elsewhere. A PROXY header that the daemon has not got yet stands in front. */
  unsent: number;
}

/** `null` if it has ended. */
export function saveRelay(
  { id, remote, local, acceptedAt }: Connection,
  relay: Relay,
  now: number,
  carry: Carry,
  unsent: UnsentWriter,
): SavedRelay | null {
  const state = relay.state();
  if (state === null) return null;
  return {
    connection: { id, remote, local, acceptedAt },
    client: carry(state.a),
    upstream: carry(state.b),
    up: saveWay(state.aToB, unsent),
    down: saveWay(state.bToA, unsent),
    activeAt: now - state.idleMs,
  };
}

/** What the connection was, its descriptors, which are the caller's, and how its relay stood. */
export function restoreRelay(
  { connection, client, upstream, up, down, activeAt }: SavedRelay,
  now: number,
  claim: Carry,
  unsent: UnsentReader,
) {
  const state: RelayState = {
    aToB: restoreWay(up, unsent),
    bToA: restoreWay(down, unsent),
    idleMs: Math.max(0, now - activeAt),
  };
  const whole: Connection = { ...connection, traffic: null, end: null };
  return { connection: whole, client: claim(client), upstream: claim(upstream), state };
}

function saveWay({ bytes, unsent, ended }: RelayWay, to: UnsentWriter): SavedWay {
  return { bytes, unsent: to.add(unsent), ended };
}

function restoreWay({ bytes, unsent, ended }: SavedWay, from: UnsentReader): RelayWay {
  return { bytes, unsent: from.take(unsent), ended };
}
