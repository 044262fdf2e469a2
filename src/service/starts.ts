/**
 * Starting the handlers of a service: whoever came gets one even when he took the last descriptor, and starts that keep
 * failing, or a machine that has nothing left, are waited upon (`limits.ts` says how long).
 */
import type { HandlerRef, LaunchRequest } from "../handoff/handoff.ts";
import type { Carry } from "../native/carry.ts";
import { isShortage } from "../net/accept.ts";
import type { SpawnFailure } from "../process/child.ts";
import { err, type Result } from "../util/result.ts";
import type { Counters } from "./counters.ts";
import type { Handler, HandlerEvents, SavedHandler } from "./handler.ts";
import type { Launcher } from "./launcher.ts";
import {
  calmAfterShortageMs,
  countFailure,
  noFailures,
  type StartHistory,
  type StartLimit,
  shortageWaitMs,
} from "./limits.ts";
import type { World } from "./world.ts";

export interface StartsEvents extends HandlerEvents {
  started(handler: Handler): void;
  /** No start is to be tried before `until`. */
  backOff(reason: string, until: number): void;
  /** Nothing is to be accepted before `until`. */
  short(until: number): void;
}

/** What counts of earlier starts. */
export interface SavedStarts {
  history: StartHistory;
  lastFailure: string | null;
  shortages: number;
  /** `null`: never. */
  shortAt: number | null;
}

export class Starts {
  readonly #world: Pick<World, "clock" | "lend">;
  readonly #owner: { readonly config: { name: string; startLimit: StartLimit } };
  readonly #launcher: Launcher;
  readonly #counters: Counters;
  readonly #events: StartsEvents;
  #history: StartHistory = noFailures;
  #lastFailure: string | null = null;
  /** Times in a row that no descriptor was left, and when that was last. */
  #shortages = 0;
  #shortAt = Number.NEGATIVE_INFINITY;

  constructor(
    world: Pick<World, "clock" | "lend">,
    owner: { readonly config: { name: string; startLimit: StartLimit } },
    launcher: Launcher,
    counters: Counters,
    events: StartsEvents,
  ) {
    this.#world = world;
    this.#owner = owner;
    this.#launcher = launcher;
    this.#counters = counters;
    this.#events = events;
  }

  save(): SavedStarts {
    return {
      history: this.#history,
      lastFailure: this.#lastFailure,
      shortages: this.#shortages,
      shortAt: this.#shortages === 0 ? null : this.#shortAt,
    };
  }

  restore({ history, lastFailure, shortages, shortAt }: SavedStarts): void {
    this.#history = history;
    this.#lastFailure = lastFailure;
    this.#shortages = shortages;
    if (shortAt !== null) this.#shortAt = shortAt;
  }

  /** One that another process has started; it is the caller's to make it known. */
  adopt(saved: SavedHandler, claim: Carry): Handler {
    return this.#launcher.adopt(saved, claim, this.#events);
  }

  /** Starts all at once. @returns in the order of `requests`, each on its own */
  launch(requests: readonly LaunchRequest[]): Result<HandlerRef, SpawnFailure>[] {
    const started = this.#launcher.start(requests, this.#events);
    return requests.map((request, index) => {
      const outcome = started[index] ?? err({ stage: "clone", code: "EINVAL" });
      if (!outcome.ok && isShortage(outcome.error.code)) return this.#launchFromReserve(request);
      this.#launched(outcome, request);
      return outcome;
    });
  }

  /** A start has done what it was for: what failed before does not count any more. */
  succeeded(): void {
    this.#history = noFailures;
    this.#lastFailure = null;
  }

  /** What was last wrong with a start, since one was right. */
  get lastFailure(): string | null {
    return this.#lastFailure;
  }

  /** Counts a failed start; starting is left alone for a while if this goes on. */
  failed(reason: string): void {
    this.#lastFailure = reason;
    this.#counters.startFailures += 1;
    const now = this.#world.clock.now();
    const { history, waitMs } = countFailure(this.#history, this.#owner.config.startLimit, now);
    this.#history = history;
    if (waitMs !== null) this.#events.backOff(reason, now + waitMs);
  }

  /** No descriptor or memory is left: nothing is accepted for a moment, then it is tried again. */
  shortage(): void {
    const now = this.#world.clock.now();
    this.#shortages = now - this.#shortAt < calmAfterShortageMs ? this.#shortages + 1 : 1;
    this.#shortAt = now;
    this.#events.short(now + shortageWaitMs(this.#shortages));
  }

  /** Whether this shortage follows upon another, and so is not news. */
  get isShortAgain(): boolean {
    return this.#shortages > 1;
  }

  /** The connection took the last descriptor: its handler still gets some, and no further connection is accepted. */
  #launchFromReserve(request: LaunchRequest): Result<HandlerRef, SpawnFailure> {
    const [started] = this.#world.lend(() => this.#launcher.start([request], this.#events));
    if (started === undefined) throw new Error("a start without an outcome");
    this.#launched(started, request);
    if (started.ok) this.shortage();
    return started;
  }

  #launched(started: Result<Handler, SpawnFailure>, request: LaunchRequest): void {
    if (started.ok) {
      this.#counters.spawned += 1;
      if (request.connection !== null) this.succeeded();
      this.#events.started(started.value);
      return;
    }
    const { stage, code } = started.error;
    if (!isShortage(code)) {
      this.failed(`cannot start "${this.#owner.config.name}": ${stage}: ${code}`);
      return;
    }
    this.#counters.startFailures += 1;
    this.shortage();
  }
}
