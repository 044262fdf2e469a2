/** Time as the daemon sees it: monotonic for every decision, so that a clock that jumps changes nothing. */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds on the monotonic clock, with fractions. */
  now(): number;
  /** Wall-clock time, for people only. */
  wall(): Date;
  /** Calls back once, `delayMs` from now (at most a few days: longer waits are cut and must look again). */
  after(delayMs: number, callback: () => void): Timer;
}

/** What setTimeout can count to; beyond it, it would fire at once. */
const longestDelayMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => new Date(),
  after(delayMs, callback) {
    const timeout = setTimeout(callback, Math.min(Math.max(0, Math.ceil(delayMs)), longestDelayMs));
    return { cancel: () => clearTimeout(timeout) };
  },
};
