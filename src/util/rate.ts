/** Rates as people write them: "50/s", "600/m", "10/10s", "50/s burst 100". */
import { formatDuration, parseDuration } from "./duration.ts";

/** So many per period on the long run, and `burst` at once: the fill rate and the size of a token bucket. */
export interface Rate {
  count: number;
  perMs: number;
  burst: number;
}

/** Without "burst", a whole period's worth may come at once. @returns `null` if the text is not a rate */
export function parseRate(text: string): Rate | null {
  const match = /^(\d+) ?\/ ?(\d*[a-z][\da-z]*)(?: +burst +(\d+))?$/.exec(text);
  if (match === null) return null;
  const [, countText = "", period = "", burstText] = match;
  const count = Number(countText);
  const perMs = parseDuration(/^\d/.test(period) ? period : `1${period}`);
  const burst = burstText === undefined ? count : Number(burstText);
  if (perMs === null || perMs === 0 || count === 0 || burst === 0) return null;
  return Number.isSafeInteger(count) && Number.isSafeInteger(burst) ? { count, perMs, burst } : null;
}

export function formatRate(rate: Rate): string {
  const period = formatDuration(rate.perMs).replace(/^1(?=[a-z]+$)/, "");
  const burst = rate.burst === rate.count ? "" : ` burst ${rate.burst}`;
  return `${rate.count}/${period}${burst}`;
}
