/** Time as the daemon sees it: monotonic for every decision, so that a clock that jumps changes nothing. */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds on the monotonic clock, with fractions. */
  now(): number;
  /** Wall-clock time, for people only. */
  wall(): Date;
  /** Calls back once, `delayMs` from now. */
  after(delayMs: number, callback: () => void): Timer;
}

/** What setTimeout can count to; beyond it, it would fire at once. */
const longestDelayMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => new Date(),
  after(delayMs, callback) {
    let left = Math.max(0, Math.ceil(delayMs));
    let timeout: NodeJS.Timeout;
    const wait = () => {
      const part = Math.min(left, longestDelayMs);
      left -= part;
      timeout = setTimeout(left > 0 ? wait : callback, part);
    };
    wait();
    return { cancel: () => clearTimeout(timeout) };
  },
};
