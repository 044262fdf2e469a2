/**
 * From being frozen to being told to stop. A signal that waits while a process is frozen is taken up by whichever of its
 * threads is the first to run again, and that may be one which does not care: a Python program handles signals in its
 * main thread, and sleeps on in there. A process that runs is signalled as its programmer expects. So it is woken first,
 * and signalled when each thread has been seen to have run.
 */
import type { Clock } from "../util/clock.ts";
import { threadSwitches } from "./activity.ts";

const lookAgainMs = 1;
/** A thread that was at work when it was frozen may go on for longer than this without ever waiting for anything. */
const longestMs = 200;

/**
 * @param pids those that are frozen
 * @param thaw wakes them
 * @param awake called once, when they have run or have had enough time to
 */
export function awaken(clock: Clock, pids: readonly number[], thaw: () => void, awake: () => void): void {
  const look = () => new Map(pids.flatMap((pid) => [...threadSwitches(pid)]));
  const asleep = look();
  const until = clock.now() + longestMs;
  thaw();

  function lookAgain(): void {
    const now = look();
    for (const [thread, switches] of asleep) {
      if (now.get(thread) !== switches) asleep.delete(thread);
    }
    if (asleep.size === 0 || clock.now() >= until) awake();
    else clock.after(lookAgainMs, lookAgain);
  }
  lookAgain();
}
