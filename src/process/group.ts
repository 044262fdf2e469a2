/**
 * `kill_mode = "group"`: the process group that the handler leads. When the handler ends by itself its group lives on
 * (a mail is still being delivered), until the service is stopped; when we end the handler its group goes with it.
 */
import { constants } from "node:os";
import type { Sys } from "../native/sys.ts";
import type { Clock } from "../util/clock.ts";
import type { Leader } from "./child.ts";
import { listProcesses } from "./proc.ts";
import { type SavableReach, stopSoon } from "./reach.ts";
import { stopSignals } from "./signal.ts";
import { type SavedStandstill, Standstill } from "./standstill.ts";
import { groupExists, Survivors } from "./survivors.ts";

export interface SavedGroupReach {
  kind: "group";
  stopped: SavedStandstill;
  /** A stop that those who were frozen have still to be awake for. */
  unsent: number | null;
  /** SIGKILL was sent, and is for whoever turns up as well. */
  killing: boolean;
}

/**
 * @param onLeft the handler has ended by itself, and others of its group live on
 * @param saved by another process image of ours
 */
export function reachGroup(
  sys: Sys,
  clock: Clock,
  child: Leader,
  onLeft: () => void,
  saved: SavedGroupReach | null = null,
): SavableReach<SavedGroupReach> {
  // Made when they are needed: of a handler of `stdio`, of which there may be thousands in a second, hardly ever.
  let survivors: Survivors | null = null;
  let standstill: Standstill | null = null;
  const survivorsOf = () => {
    survivors ??= new Survivors(sys, clock, child.pid);
    return survivors;
  };
  const members = () => (child.ended ? [] : listProcesses().filter(({ group }) => group === child.pid));
  const signalAll = (signal: number) => {
    for (const each of stopSignals(signal)) child.signal(each, "group");
  };
  const standstillOf = (stopped?: SavedStandstill) => {
    standstill ??= new Standstill(sys, clock, members, stopped);
    return standstill;
  };
  let unsent: number | null = null;
  let killing = false;
  const stop = (signal: number) => {
    unsent = signal;
    const send = () => {
      unsent = null;
      signalAll(signal);
    };
    if (standstill === null) send();
    else standstill.awaken(send);
  };
  if (saved !== null) {
    if (saved.stopped.length > 0) standstillOf(saved.stopped);
    unsent = stopSoon(clock, saved, stop);
    killing = saved.killing;
    // Reaches nobody yet: whoever is left is looked for when the handler has ended.
    if (killing) survivorsOf().kill();
  }
  return {
    stop,
    save: () => ({ kind: "group", stopped: standstill?.save() ?? [], unsent, killing }),
    freeze: (done) => standstillOf().freeze(done),
    thaw: () => standstill?.thaw(),
    kill: () => {
      killing = true;
      child.signal(constants.signals.SIGKILL, "group");
      survivorsOf().kill();
    },
    ended: (stopping, onGone) => {
      // What lives on of the group would stand still for ever.
      standstill?.thaw();
      if (stopping) {
        survivorsOf().watch(onGone);
        return;
      }
      if (groupExists(sys, child.pid)) onLeft();
      onGone();
    },
  };
}
