/** Connections as JSON, for handoffs that are saved and restored (an upgrade). */
import type { Carry, Saved } from "../native/carry.ts";
import type { PeerCredentials, SocketAddress } from "../native/sys.ts";
import type { OnEnd } from "../net/ends.ts";
import type { BoundListener } from "../net/listen.ts";
import type { Connection, HandoffHost, Incoming, Restored, RestoredHandler } from "./handoff.ts";

/** Its place among those that are bound, or what is still known of one that was closed since. */
export type SavedListener = number | BoundListener;

export interface SavedIncoming {
  fd: number;
  listener: SavedListener;
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
export function saveListener(listener: BoundListener, listeners: readonly BoundListener[]): SavedListener {
  const place = listeners.indexOf(listener);
  return place < 0 ? { ...listener, fd: -1, twin: null } : place;
}

export function restoreListener(saved: SavedListener, listeners: readonly BoundListener[]): BoundListener {
  const found = typeof saved === "number" ? listeners[saved] : saved;
  if (found === undefined) throw new Error(`listener ${saved} of ${listeners.length} is not there`);
  return found;
}

/** @param listeners those that are bound, in their order */
export function saveIncoming(
  { fd, listener, remote, local, credentials, id, acceptedAt }: Incoming,
  listeners: readonly BoundListener[],
  carry: Carry,
): SavedIncoming {
  return {
    fd: carry(fd),
    listener: saveListener(listener, listeners),
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
  return { ...rest, fd: claim(fd), listener: restoreListener(listener, listeners) };
}

/** One of whom was saved that he is there. */
export function restoredHandler(handlers: Restored["handlers"], pid: number): RestoredHandler {
  const handler = handlers.get(pid);
  if (handler === undefined) throw new Error(`handler ${pid} is not among those that were there`);
  return handler;
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
