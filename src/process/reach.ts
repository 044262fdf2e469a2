/**
 * What `kill_mode` makes of one handler: whom its stop reaches, and `on_idle = "freeze"` likewise, and what must be gone
 * before the handler is. The handler (`service/handler.ts`) knows this interface only; which mechanism is behind it is
 * chosen at the start (`reaches.ts`): the process alone (below), its group (`group.ts`), or its tree, by a cgroup
 * (`cgroup.ts`) or without one (`descent.ts`).
 */
import { constants } from "node:os";
import type { Sys } from "../native/sys.ts";
import type { Clock } from "../util/clock.ts";
import type { Leader } from "./child.ts";
import { readProcess } from "./proc.ts";
import { stopSignals } from "./signal.ts";
import { type SavedStandstill, Standstill } from "./standstill.ts";

export interface Reach {
  /**
   * Holds all whom it reaches where they are, and what they start meanwhile.
   * @param done called at most once, perhaps before this returns: with `true` when none of them runs any more, with
   * `false` if that cannot be had. Not called if `thaw` comes before, or the end of the handler.
   */
  freeze(done: (frozen: boolean) => void): void;
  /** They go on, also those that `freeze` has not come to an end with. */
  thaw(): void;
  /**
   * Sends the signal to all whom it reaches, and wakes those that are stopped. Those that are frozen are thawed, and
   * get it a moment later. Called at most once.
   */
  stop(signal: number): void;
  /** SIGKILL to all, and from now on to whatever they may still start. */
  kill(): void;
  /**
   * The handler's own process has ended and was reaped. Called once.
   * @param stopping whether it was being stopped; else it has ended by itself
   * @param onGone called once, when nobody is left who must go before the handler is gone: perhaps before this returns
   */
  ended(stopping: boolean, onGone: () => void): void;
}

/** One that can go along with an upgrade: `Saved` is plain data. Whoever waits for a freeze asks for it anew. */
export interface SavableReach<Saved> extends Reach {
  save(): Saved;
}

export interface SavedProcessReach {
  kind: "process";
  stopped: SavedStandstill;
  /** A stop that those who were frozen have still to be awake for. */
  unsent: number | null;
}

/**
 * `kill_mode = "process"`: the handler alone; what it has started lives on.
 * @param saved by another process image of ours
 */
export function reachProcess(
  sys: Sys,
  clock: Clock,
  child: Leader,
  saved: SavedProcessReach | null = null,
): SavableReach<SavedProcessReach> {
  const members = () => {
    const entry = child.ended ? null : readProcess(child.pid);
    return entry === null ? [] : [entry];
  };
  const standstill = new Standstill(sys, clock, members, saved?.stopped);
  let unsent: number | null = null;
  const stop = (signal: number) => {
    unsent = signal;
    standstill.awaken(() => {
      unsent = null;
      for (const each of stopSignals(signal)) child.signal(each, "process");
    });
  };
  unsent = stopSoon(clock, saved, stop);
  return {
    stop,
    save: () => ({ kind: "process", stopped: standstill.save(), unsent }),
    freeze: (done) => standstill.freeze(done),
    thaw: () => standstill.thaw(),
    kill: () => child.signal(constants.signals.SIGKILL, "process"),
    ended: (_stopping, onGone) => {
      standstill.giveUp();
      onGone();
    },
  };
}

/** A stop that was under way is taken up in a later turn. @returns its signal, until then */
export function stopSoon(
  clock: Clock,
  saved: { unsent: number | null } | null,
  stop: (signal: number) => void,
): number | null {
  const unsent = saved?.unsent ?? null;
  if (unsent !== null) clock.after(0, () => stop(unsent));
  return unsent;
}
