/**
 * `kill_mode = "group"`: the process group that the handler leads. When the handler ends by itself its group lives on
 * (a mail is still being delivered), until the service is stopped; when we end the handler its group goes with it.
 */
import { constants } from "node:os";
import type { Sys } from "../native/sys.ts";
import type { Clock } from "../util/clock.ts";
import type { Child } from "./child.ts";
import { listProcesses } from "./proc.ts";
import type { Reach } from "./reach.ts";
import { stopSignals } from "./signal.ts";
import { Standstill } from "./standstill.ts";
import { groupExists, Survivors } from "./survivors.ts";

/** @param onLeft the handler has ended by itself, and others of its group live on */
export function reachGroup(sys: Sys, clock: Clock, child: Child, onLeft: () => void): Reach {
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
  return {
    freeze: (done) => {
      standstill ??= new Standstill(sys, clock, members);
      standstill.freeze(done);
    },
    thaw: () => standstill?.thaw(),
    stop: (signal) => {
      if (standstill === null) signalAll(signal);
      else standstill.awaken(() => signalAll(signal));
    },
    kill: () => {
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
