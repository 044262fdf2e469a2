/**
 * The events of a daemon for those who ask: the last few of each service, and a stream for whoever follows. All of
 * them, whatever the log leaves out.
 */
import { describe, type Level, levelOf } from "./describe.ts";
import type { DaemonEvent, Emit } from "./events.ts";

/** An event with the moment at which it came, in milliseconds since 1970. */
export interface Occurrence {
  at: number;
  event: DaemonEvent;
}

/** An event as the log has it. */
export type LoggedEvent = DaemonEvent & { time: string; level: Level; msg: string };

/** How many are kept of each service, and of the daemon itself. */
const mostKept = 10;

export class Feed {
  readonly #now: () => number;
  readonly #last = new Map<string | null, Occurrence[]>();
  readonly #followers = new Set<(occurrence: Occurrence) => void>();

  /** @param now wall clock, in milliseconds since 1970 */
  constructor(now: () => number) {
    this.#now = now;
  }

  readonly emit: Emit = (event) => {
    const occurrence = { at: this.#now(), event };
    const service = "service" in event ? event.service : null;
    const last = this.#last.get(service);
    if (last === undefined) this.#last.set(service, [occurrence]);
    else if (last.push(occurrence) > mostKept) last.shift();
    for (const follower of this.#followers) follower(occurrence);
  };

  /** The last of a service, or (`null`) of the daemon itself; the oldest first. */
  last(service: string | null): readonly Occurrence[] {
    return this.#last.get(service) ?? [];
  }

  /** The last of all together; the oldest first. */
  lastOfAll(): Occurrence[] {
    return [...this.#last.values()].flat().sort((one, other) => one.at - other.at);
  }

  /** All that is kept, for another process that goes on (an upgrade). */
  save(): [string | null, Occurrence[]][] {
    return [...this.#last];
  }

  restore(saved: [string | null, Occurrence[]][]): void {
    for (const [service, last] of saved) this.#last.set(service, last);
  }

  /** The service is gone: nobody asks for its events any more. */
  forget(service: string): void {
    this.#last.delete(service);
  }

  /** Calls back with every further event, until the function that is returned is called. */
  follow(follower: (occurrence: Occurrence) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }
}

/** Every event to both. */
export function tee(one: Emit, other: Emit): Emit {
  return (event) => {
    one(event);
    other(event);
  };
}

export function loggedEvent({ at, event }: Occurrence): LoggedEvent {
  return { time: new Date(at).toISOString(), level: levelOf(event), msg: describe(event), ...event };
}
