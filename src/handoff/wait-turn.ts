/** A handler of `wait` with the listener that it has: what is remembered of it, and how that goes along with an upgrade. */
import type { Carry } from "../native/carry.ts";
import type { BoundListener } from "../net/listen.ts";
import type { Frost, SavedFrost } from "./frost.ts";
import type { HandlerRef, StandardDescriptors, Start } from "./handoff.ts";
import type { IdleWatch, SavedIdleWatch } from "./idle-watch.ts";
import type { Aging, SavedAging } from "./old-age.ts";
import { type SavedListener, saveListener } from "./saved.ts";
import type { SavedStuck } from "./stuck.ts";
import { type SavedTakings, type SavedWaited, saveWaited, type Waited } from "./takings.ts";

export interface Turn {
  readonly listener: BoundListener;
  readonly handler: HandlerRef;
  /** What waited when the handler was started. */
  readonly before: Waited;
  readonly frost: Frost;
  readonly idle: IdleWatch;
  /** The handler was told to stop because nobody is there, with the door closed behind it. */
  leaving: boolean;
  /** Its `max_lifetime` is over: it goes in a moment in which it can. */
  aged: Aging | null;
}

export interface SavedTurn {
  pid: number;
  listener: SavedListener;
  before: SavedWaited;
  frost: SavedFrost;
  idle: SavedIdleWatch | null;
  leaving: boolean;
  aged: SavedAging | null;
}

export interface SavedWait {
  turns: SavedTurn[];
  takings: SavedTakings;
  stuck: SavedStuck;
}

/** @param listeners those that are bound, in their order */
export function saveTurn(
  { listener, handler, before, frost, idle, leaving, aged }: Turn,
  listeners: readonly BoundListener[],
  carry: Carry,
): SavedTurn {
  return {
    pid: handler.pid,
    listener: saveListener(listener, listeners),
    before: saveWaited(before, listeners),
    frost: frost.save(),
    idle: idle.save(carry),
    leaving,
    aged: aged?.save() ?? null,
  };
}

export function startWait({ fd }: BoundListener, { nothing, stderr }: StandardDescriptors): Start {
  // A socket that listens cannot be written to; what a handler says on stderr = "socket" would be lost in it.
  return { descriptors: [fd, fd, stderr === "connection" ? nothing : stderr], variables: [] };
}
