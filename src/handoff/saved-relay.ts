/** One relayed connection as JSON, for a `proxy` that is saved and restored (an upgrade). */
import { bytesToText, type Carry, textToBytes } from "../native/carry.ts";
import type { Fd, Relay, RelayState, RelayWay } from "../native/sys.ts";
import type { Connection } from "./handoff.ts";

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
  /** As base64. A PROXY header that the daemon has not got yet stands in front. */
  unsent: string;
}

/** `null` if it has ended. */
export function saveRelay(
  { id, remote, local, acceptedAt }: Connection,
  relay: Relay,
  now: number,
  carry: Carry,
): SavedRelay | null {
  const state = relay.state();
  if (state === null) return null;
  return {
    connection: { id, remote, local, acceptedAt },
    client: carry(state.a),
    upstream: carry(state.b),
    up: saveWay(state.aToB),
    down: saveWay(state.bToA),
    activeAt: now - state.idleMs,
  };
}

/** What the connection was, its descriptors, which are the caller's, and how its relay stood. */
export function restoreRelay(
  { connection, client, upstream, up, down, activeAt }: SavedRelay,
  claim: Carry,
  now: number,
) {
  const state: RelayState = {
    aToB: restoreWay(up),
    bToA: restoreWay(down),
    idleMs: Math.max(0, now - activeAt),
  };
  const whole: Connection = { ...connection, traffic: null, end: null };
  return { connection: whole, client: claim(client), upstream: claim(upstream), state };
}

function saveWay({ bytes, unsent, ended }: RelayWay): SavedWay {
  return { bytes, unsent: bytesToText(unsent), ended };
}

function restoreWay({ bytes, unsent, ended }: SavedWay): RelayWay {
  return { bytes, unsent: textToBytes(unsent), ended };
}
