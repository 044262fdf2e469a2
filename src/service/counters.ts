/** What a service has done since it exists: counted in one place, shown in `status` and as metrics. */
import type { RefusalReason } from "../log/events.ts";

export interface LastExit {
  pid: number;
  code: number | null;
  /** By name. */
  signal: string | null;
  at: Date;
}

export interface Counters {
  accepted: number;
  refused: Partial<Record<RefusalReason, number>>;
  spawned: number;
  startFailures: number;
  lastExit: LastExit | null;
}

export function newCounters(): Counters {
  return { accepted: 0, refused: {}, spawned: 0, startFailures: 0, lastExit: null };
}
