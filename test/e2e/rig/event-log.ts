/** The daemon's events as they come from its log, for a test that waits for one. */

import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { DaemonEvent, EventName } from "../../../src/log/events.ts";

/** An event as it is logged. */
export type Logged<N extends EventName = EventName> = Extract<DaemonEvent, { event: N }> & {
  time: string;
  level: string;
  msg: string;
};

/** Fields that the event must have, or a function that decides. */
export type Match<N extends EventName> =
  | Partial<Extract<DaemonEvent, { event: N }>>
  | ((event: Logged<N>) => boolean);

export interface EventLog {
  /** All events so far, in order. */
  readonly events: readonly Logged[];
  /** Lines that are no events, such as the daemon's last words when it cannot start. */
  readonly otherLines: readonly string[];
  /**
   * The first event of that name that matches, past or future.
   * @param after only events later than this one count
   * @throws when the daemon has ended without it, or after 20 seconds, with what has happened instead
   */
  wait<N extends EventName>(name: N, match?: Match<N>, options?: { after?: Logged }): Promise<Logged<N>>;
  /**
   * Resolves when what a daemon that has ended left in the pipe is read. Its end of file may never come: a handler
   * that lives on has inherited the pipe.
   */
  drained(): Promise<void>;
  /** All that was logged, for people. */
  transcript(): string;
}

/** So that a test which waits in vain says for what, before the runner's own time is up. */
const patienceMs = 20_000;

export function followEvents(log: Readable): EventLog {
  const events: Logged[] = [];
  const otherLines: string[] = [];
  const watchers = new Set<() => void>();
  let ended = false;
  let chunks = 0;
  log.on("data", () => {
    chunks += 1;
  });
  const wake = () => {
    for (const watcher of [...watchers]) watcher();
  };
  createInterface({ input: log })
    .on("line", (line) => {
      const event = parse(line);
      if (event === null) otherLines.push(line);
      else events.push(event);
      wake();
    })
    .on("close", () => {
      ended = true;
      wake();
    });
  const transcript = () => [...events.map((event) => JSON.stringify(event)), ...otherLines].join("\n");
  return {
    events,
    otherLines,
    transcript,
    async drained() {
      let before: number;
      do {
        before = chunks;
        await nextTurn();
        await nextTurn();
      } while (!ended && chunks !== before);
    },
    wait<N extends EventName>(name: N, match: Match<N> = {}, { after }: { after?: Logged } = {}) {
      let position = after === undefined ? 0 : events.indexOf(after) + 1;
      return new Promise<Logged<N>>((resolve, reject) => {
        const giveUp = (why: string) => {
          stop();
          reject(new Error(`${why} without ${name} ${JSON.stringify(match)}; the log:\n${transcript()}`));
        };
        const look = () => {
          for (; position < events.length; position++) {
            const event = events[position];
            if (event === undefined || !isMatch(event, name, match)) continue;
            stop();
            resolve(event);
            return;
          }
          if (ended) giveUp("the daemon ended");
        };
        const stop = () => {
          clearTimeout(timer);
          watchers.delete(look);
        };
        const timer = setTimeout(() => giveUp(`${patienceMs} ms passed`), patienceMs);
        watchers.add(look);
        look();
      });
    },
  };
}

function parse(line: string): Logged | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "event" in value ? (value as Logged) : null;
  } catch {
    return null;
  }
}

function isMatch<N extends EventName>(event: Logged, name: N, match: Match<N>): event is Logged<N> {
  if (event.event !== name) return false;
  if (typeof match === "function") return match(event as Logged<N>);
  const fields: Record<string, unknown> = { ...event };
  return Object.entries(match).every(([key, value]) => fields[key] === value);
}
