/**
 * How failing things are tried again: pure. Nothing here ever gives up, and nothing is disabled until a person comes;
 * the wait only grows, from a second to a minute.
 */

export const shortestWaitMs = 1_000;
export const longestWaitMs = 60_000;

/** The wait before try number `failures` + 1 (1 or more failures so far): 1 s, 2 s, 4 s ... 60 s. */
export function retryWaitMs(failures: number): number {
  return Math.min(longestWaitMs, shortestWaitMs * 2 ** Math.min(failures - 1, 16));
}

/** A shortage of descriptors that comes back sooner is still the same one: it is not logged again. */
export const calmAfterShortageMs = 10_000;

/** While descriptors are short, accepting is tried again sooner: 100 ms, 200 ms ... 5 s. */
export function shortageWaitMs(failures: number): number {
  return Math.min(5_000, 100 * 2 ** Math.min(failures - 1, 16));
}

/** `start_limit`: so many failed starts within `perMs`. */
export interface StartLimit {
  count: number;
  perMs: number;
}

/** The failed starts that still count, oldest first, and how many waits in a row they have led to. */
export interface StartHistory {
  readonly failures: readonly number[];
  readonly waits: number;
}

export const noFailures: StartHistory = { failures: [], waits: 0 };

/**
 * Counts a failed start at `now`. `waitMs` is null while the limit is not reached; once it is, every further failure
 * doubles the wait until a start succeeds (`noFailures` again).
 */
export function countFailure(
  history: StartHistory,
  limit: StartLimit,
  now: number,
): { history: StartHistory; waitMs: number | null } {
  const failures = [...history.failures.filter((at) => now - at < limit.perMs), now].slice(-limit.count);
  if (history.waits === 0 && failures.length < limit.count)
    return { history: { failures, waits: 0 }, waitMs: null };
  const waits = history.waits + 1;
  return { history: { failures, waits }, waitMs: retryWaitMs(waits) };
}
