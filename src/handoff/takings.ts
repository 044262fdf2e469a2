/**
 * Whether a handler that accepts by itself has taken anything of what waited when it was started.
 *
 * The names of those who wait tell for certain, but at a TCP listener they cost more than the start that they would
 * delay. The length of the queue costs nothing, and it tells if fewer wait than before: nobody leaves the queue but by
 * being accepted, not even by giving up. If as many wait or more, others may have come: then the handler is believed,
 * and whether the next one takes anything is seen by the names. So one that takes nothing is found out one start later,
 * and none is ever blamed that did its work.
 *
 * Where several workers may run, names are needed from the first: one that has taken a client and is busy with him must
 * be told from one that is still at its start, however many have come meanwhile.
 */
import type { BoundListener } from "../net/listen.ts";
import { isEmptied } from "../net/waiting.ts";
import type { HandoffHost } from "./handoff.ts";
import { restoreListener, type SavedListener, saveListener } from "./saved.ts";

/** What waited at each listener: how many, or their names. */
export type Waited = ReadonlyMap<BoundListener, number | readonly string[]>;

export interface Takings {
  /** To be asked before a start. */
  look(listeners: readonly BoundListener[]): Waited;
  /** To be asked after the end, before the sockets are put right. A listener that is not there any more leaves no doubt. */
  taken(before: Waited, listeners: readonly BoundListener[]): boolean;
  /** For `restore` in another process (an upgrade). */
  save(): SavedTakings;
  restore(saved: SavedTakings): void;
}

export interface SavedTakings {
  /** The last handler seems to have taken nothing. */
  doubted: boolean;
}

/** What waited at each listener. */
export type SavedWaited = [SavedListener, number | readonly string[]][];

/** @param always whether names are looked at in any case, at this moment */
export function createTakings(
  host: Pick<HandoffHost, "waiting" | "queueLength">,
  always: () => boolean,
): Takings {
  let doubted = false;

  const lookAt = (listener: BoundListener) =>
    (always() || doubted ? null : host.queueLength(listener)) ?? host.waiting(listener);

  return {
    look: (listeners) => new Map(listeners.map((listener) => [listener, lookAt(listener)])),
    taken(before, listeners) {
      const somewhere = [...before].filter(([, waited]) => amount(waited) > 0);
      const outcomes = somewhere.map(([listener, waited]) =>
        listeners.includes(listener) ? tookFrom(host, listener, waited) : "yes",
      );
      const took = outcomes.length === 0 || outcomes.includes("yes");
      doubted = !took;
      return took || outcomes.includes("perhaps");
    },
    save: () => ({ doubted }),
    restore(saved) {
      doubted = saved.doubted;
    },
  };
}

/** The names of all that waited, as far as they were looked at. */
export function namesOf(waited: Waited): string[] {
  return [...waited.values()].flatMap((each) => (typeof each === "number" ? [] : each));
}

/** @param listeners those that are bound, in their order */
export function saveWaited(waited: Waited, listeners: readonly BoundListener[]): SavedWaited {
  return [...waited].map(([listener, each]) => [saveListener(listener, listeners), each]);
}

export function restoreWaited(saved: SavedWaited, listeners: readonly BoundListener[]): Waited {
  return new Map(saved.map(([listener, each]) => [restoreListener(listener, listeners), each]));
}

function tookFrom(
  host: Pick<HandoffHost, "waiting" | "queueLength">,
  listener: BoundListener,
  waited: number | readonly string[],
): "yes" | "no" | "perhaps" {
  if (typeof waited === "number") return (host.queueLength(listener) ?? 0) < waited ? "yes" : "perhaps";
  return isEmptied(waited, host.waiting(listener)) ? "yes" : "no";
}

function amount(waited: number | readonly string[]): number {
  return typeof waited === "number" ? waited : waited.length;
}
