/** Time as the daemon sees it: monotonic for every decision, so that a clock that jumps changes nothing. */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /**
   * Milliseconds on the monotonic clock of the machine (CLOCK_MONOTONIC), with fractions: the same for every process, so
   * that a moment that one has noted means the same to the one that goes on in its place.
   */
  now(): number;
  /** Wall-clock time, for people only. */
  wall(): Date;
  /** Calls back once, `delayMs` from now. */
  after(delayMs: number, callback: () => void): Timer;
}

/** What setTimeout can count to; beyond it, it would fire at once. */
const longestDelayMs = 2 ** 31 - 1;

/** From the moment at which this process began, which `performance` counts from. */
const originMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
  now: () => originMs + performance.now(),
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
