/** A clock that a test turns. */
import type { Clock } from "../../../src/util/clock.ts";

export interface ManualClock extends Clock {
  /** Time passes, and what is due is called. */
  advance(ms: number): void;
  /** How many timers run. */
  readonly timers: number;
}

export function manualClock(): ManualClock {
  let now = 0;
  const timers = new Set<{ at: number; callback: () => void }>();
  return {
    now: () => now,
    wall: () => new Date(now),
    after(delayMs, callback) {
      const timer = { at: now + delayMs, callback };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    advance(ms) {
      now += ms;
      for (const timer of [...timers]) {
        if (timer.at > now || !timers.delete(timer)) continue;
        timer.callback();
      }
    },
    get timers() {
      return timers.size;
    },
  };
}
