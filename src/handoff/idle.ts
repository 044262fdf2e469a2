/**
 * When something counts as idle, from samples: pure. Samples are taken now and then, so what they say is turned into
 * "idle since" with care: from the first quiet sample on, never from the last busy one, after which there may have
 * been more.
 */

/** How late idleness may be noticed: 10 % of the timeout, or a second, if that is more. */
export function latenessMs(timeoutMs: number): number {
  return Math.max(1_000, timeoutMs / 10);
}

/** Between two samples: often enough that noticing the quiet and noticing that it has lasted stay within lateness. */
export function sampleEveryMs(timeoutMs: number): number {
  return Math.min(latenessMs(timeoutMs) / 2, Math.max(50, timeoutMs / 2));
}

/** `quietSince`: the first of the quiet samples in a row; `null` while there is something. */
export interface Idleness {
  readonly quietSince: number | null;
}

export const busy: Idleness = { quietSince: null };

/** What a sample at `now` makes of it. */
export function sampled({ quietSince }: Idleness, isQuiet: boolean, now: number): Idleness {
  if (!isQuiet) return busy;
  return { quietSince: quietSince ?? now };
}

/** Whether it has been quiet for so long. */
export function isIdle({ quietSince }: Idleness, timeoutMs: number, now: number): boolean {
  return quietSince !== null && now - quietSince >= timeoutMs;
}

/** When to look again: regularly while there is something, and just when the time would be over. */
export function nextSampleMs({ quietSince }: Idleness, timeoutMs: number, now: number): number {
  const every = sampleEveryMs(timeoutMs);
  return quietSince === null ? every : Math.max(1, Math.min(every, quietSince + timeoutMs - now));
}
