/** What a service has done since it exists: kept in one place, shown in `status`, by `why` and as metrics. */
import type { RefusalReason } from "../log/events.ts";

export interface LastExit {
  pid: number;
  code: number | null;
  /** By name. */
  signal: string | null;
  at: Date;
}

/** The last time that a handler was started. */
export interface Wake {
  at: Date;
  /** The client, where it is known. */
  by: string | null;
  pid: number;
}

export interface Counters {
  accepted: number;
  refused: Partial<Record<RefusalReason, number>>;
  spawned: number;
  startFailures: number;
  lastExit: LastExit | null;
  lastWake: Wake | null;
  /** From the last start of a worker until it was ready, in milliseconds. */
  coldStartMs: number | null;
}

export function newCounters(): Counters {
  return {
    accepted: 0,
    refused: {},
    spawned: 0,
    startFailures: 0,
    lastExit: null,
    lastWake: null,
    coldStartMs: null,
  };
}
