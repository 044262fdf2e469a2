/** Connections as JSON, for handoffs that are saved and restored (an upgrade). */
import type { Carry, Saved } from "../native/carry.ts";
import type { PeerCredentials, SocketAddress } from "../native/sys.ts";
import type { OnEnd } from "../net/ends.ts";
import type { BoundListener } from "../net/listen.ts";
import type { Connection, HandoffHost, Incoming, Restored } from "./handoff.ts";

export interface SavedIncoming {
  fd: number;
  /** Its place among those that are bound, or what is still known of one that was closed since. */
  listener: number | BoundListener;
  remote: SocketAddress;
  local: SocketAddress;
  credentials: PeerCredentials | null;
  id: number;
  acceptedAt: number;
}

export interface SavedConnection {
  id: number;
  remote: string;
  local: string;
  acceptedAt: number;
  traffic: Connection["traffic"];
  /** Of its `WatchedEnd`. */
  end: Saved;
}

/** @param listeners those that are bound, in their order */
export function saveIncoming(
  { fd, listener, remote, local, credentials, id, acceptedAt }: Incoming,
  listeners: readonly BoundListener[],
  carry: Carry,
): SavedIncoming {
  const place = listeners.indexOf(listener);
  return {
    fd: carry(fd),
    listener: place < 0 ? { ...listener, fd: -1, twin: null } : place,
    remote,
    local,
    credentials,
    id,
    acceptedAt,
  };
}

export function restoreIncoming(
  { fd, listener, ...rest }: SavedIncoming,
  { claim, listeners }: Pick<Restored, "claim" | "listeners">,
): Incoming {
  const found = typeof listener === "number" ? listeners[listener] : listener;
  if (found === undefined) throw new Error(`connection ${rest.id} came by a listener that is not there`);
  return { ...rest, fd: claim(fd), listener: found };
}

export function saveConnection({ id, remote, local, acceptedAt, traffic, end }: Connection): SavedConnection {
  return {
    id,
    remote,
    local,
    acceptedAt,
    traffic: traffic === null ? null : { ...traffic },
    end: end === null ? null : end.save(),
  };
}

/** @param onEnd as for `watchEnd`: called if its end was watched for */
export function restoreConnection(
  { end, ...saved }: SavedConnection,
  host: Pick<HandoffHost, "resumeEnd">,
  onEnd: OnEnd,
): Connection {
  return { ...saved, end: end === null ? null : host.resumeEnd(end, onEnd) };
}
