/** Time that passes when the test says so. */
import type { Clock } from "../../../src/util/clock.ts";

export function manualClock() {
  let now = 0;
  const timers = new Set<{ at: number; callback: () => void }>();
  const clock: Clock = {
    now: () => now,
    wall: () => new Date(now),
    after(delayMs, callback) {
      const timer = { at: now + delayMs, callback };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
  };
  return {
    clock,
    pending: () => timers.size,
    /** Another process has come in its place: it goes on with the time, and not with what was to be done. */
    forget: () => timers.clear(),
    pass(ms: number) {
      now += ms;
      for (const timer of [...timers]) {
        if (timer.at > now || !timers.delete(timer)) continue;
        timer.callback();
      }
    },
  };
}
