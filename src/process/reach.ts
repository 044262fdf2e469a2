/**
 * What `kill_mode` makes of one handler: whom its stop reaches, and what must be gone before the handler is. The
 * handler (`service/handler.ts`) knows this interface only; which mechanism is behind it is chosen at the start
 * (`processes.ts`): the process alone (below), its group (`group.ts`), or its tree, by a cgroup (`cgroup.ts`) or
 * without one (`descent.ts`).
 *
 * `on_idle = "freeze"` belongs here too: freezing and thawing reach whom a stop does.
 */
import { constants } from "node:os";
import type { Child } from "./child.ts";
import { stopSignals } from "./signal.ts";

export interface Reach {
  /** Sends the signal to all whom it reaches now, and wakes those that are stopped. Called at most once. */
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

/** `kill_mode = "process"`: the handler alone; what it has started lives on. */
export function reachProcess(child: Child): Reach {
  return {
    stop: (signal) => {
      for (const each of stopSignals(signal)) child.signal(each, "process");
    },
    kill: () => child.signal(constants.signals.SIGKILL, "process"),
    ended: (_stopping, onGone) => onGone(),
  };
}
