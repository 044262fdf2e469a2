/**
 * Another worker for `listen`: while fewer run than may, it is looked now and then whether somebody waits that they do
 * not get to.
 */
import { isEmptied } from "../net/waiting.ts";
import type { Timer } from "../util/clock.ts";
import type { HandoffHost } from "./handoff.ts";
import type { Worker } from "./listen-worker.ts";
import { namesOf } from "./takings.ts";

/** How often the queues are looked at. */
const sampleMs = 200;

/** How long one who waits then must go on waiting: he may just have come, and be about to be accepted. */
const patienceMs = 50;

export interface Growth {
  /** Looks now and then for as long as there may be more. To be called when that may have changed. */
  watch(): void;
  stop(): void;
}

/**
 * @param workers those that run
 * @param mayGrow whether there may be more, at this moment
 * @param start starts another; calls `watch` if it runs
 */
export function createGrowth(
  host: Pick<HandoffHost, "clock" | "config" | "listeners" | "queueLength" | "waiting" | "mayGoOn">,
  workers: () => Iterable<Worker>,
  mayGrow: () => boolean,
  start: () => void,
): Growth {
  let timer: Timer | null = null;

  function watch(): void {
    if (!mayGrow()) stop();
    else timer ??= host.clock.after(sampleMs, () => sample([]));
  }

  function stop(): void {
    timer?.cancel();
    timer = null;
  }

  /** @param seen who waited a moment ago already */
  function sample(seen: readonly string[]): void {
    timer = null;
    const listeners = host.listeners();
    // Names are asked for only when somebody waits: they cost a walk through all of the machine's connections.
    const isCalm = listeners.every((listener) => host.queueLength(listener) === 0);
    const left = isCalm ? [] : listeners.flatMap((listener) => host.waiting(listener));
    if (left.length === 0 || !host.mayGoOn() || !allHaveBegun(left)) watch();
    else if (left.some((name) => seen.includes(name))) start();
    else timer = host.clock.after(patienceMs, () => sample(left));
  }

  /** A worker that has taken nothing yet is still at its start: who waits then waits for it, not for another. */
  function allHaveBegun(left: readonly string[]): boolean {
    const since = host.clock.now() - (host.config.startTimeout ?? 0);
    return [...workers()].every(
      ({ before, startedAt }) => startedAt < since || isEmptied(namesOf(before), left),
    );
  }

  return { watch, stop };
}
