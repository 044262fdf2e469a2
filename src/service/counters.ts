/** What a service has done since it exists: kept in one place, shown in `status`, by `why` and as metrics. */
import type { RefusalReason } from "../log/events.ts";
import { type Histogram, newHistogram } from "../util/histogram.ts";

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
  /** From the start of each worker until it was ready, in seconds. */
  coldStarts: Histogram;
  /** From the start of each handler to its end, in seconds. */
  handlerDurations: Histogram;
  /** What clients have sent over connections that have ended, and what they were sent, where that is known. */
  bytesIn: number;
  bytesOut: number;
}

/** A worker in C is ready within milliseconds, a database within minutes. */
const coldStartBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];
/** A handler may have one request, or a session of a day. */
const durationBounds = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 300, 1800, 10_800, 86_400];

export function newCounters(): Counters {
  return {
    accepted: 0,
    refused: {},
    spawned: 0,
    startFailures: 0,
    lastExit: null,
    lastWake: null,
    coldStartMs: null,
    coldStarts: newHistogram(coldStartBounds),
    handlerDurations: newHistogram(durationBounds),
    bytesIn: 0,
    bytesOut: 0,
  };
}

/** As JSON. */
export type SavedCounters = Omit<Counters, "lastExit" | "lastWake"> & {
  lastExit: (Omit<LastExit, "at"> & { at: number }) | null;
  lastWake: (Omit<Wake, "at"> & { at: number }) | null;
};

export function saveCounters({ lastExit, lastWake, ...plain }: Counters): SavedCounters {
  return {
    ...plain,
    lastExit: lastExit === null ? null : { ...lastExit, at: lastExit.at.getTime() },
    lastWake: lastWake === null ? null : { ...lastWake, at: lastWake.at.getTime() },
  };
}

/** Into counters that are new: what only they have keeps its beginning, and so do buckets with other bounds. */
export function restoreCounters(counters: Counters, saved: SavedCounters): void {
  const { lastExit, lastWake, coldStarts, handlerDurations, ...plain } = saved;
  Object.assign(counters, plain, {
    lastExit: lastExit === null ? null : { ...lastExit, at: new Date(lastExit.at) },
    lastWake: lastWake === null ? null : { ...lastWake, at: new Date(lastWake.at) },
  });
  if (haveSameBounds(counters.coldStarts, coldStarts)) counters.coldStarts = coldStarts;
  if (haveSameBounds(counters.handlerDurations, handlerDurations))
    counters.handlerDurations = handlerDurations;
}

function haveSameBounds(one: Histogram, other: Histogram): boolean {
  return JSON.stringify(one.bounds) === JSON.stringify(other.bounds);
}
