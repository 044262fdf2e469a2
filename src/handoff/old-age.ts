/**
 * `max_lifetime` of workers that accept by themselves: such a worker cannot be told to take nobody new, only to end; and
 * of the daemon behind `proxy`, beside which no other can run. So a moment is waited for in which nobody is connected, and the worker is taken away then as at idle: nobody is lost. A
 * service that never has such a moment is not waited for beyond `stop_timeout`; then the worker is told to stop, and
 * what becomes of its connections is up to it.
 */
import type { Clock, Timer } from "../util/clock.ts";
import type { HandlerRef, HandoffHost } from "./handoff.ts";

/** Between two looks whether anybody is connected. */
const lookEveryMs = 250;

/** The reason that is given for such a stop. */
export const tooOld = "max_lifetime";

/** A worker that is to go for its age. */
export interface Aging {
  /** It has gone otherwise. */
  giveUp(): void;
  /** For `resumeLeave` in another process (an upgrade). */
  save(): SavedAging;
}

export interface SavedAging {
  /** When the wait is over, on the monotonic clock; `null`: never. */
  until: number | null;
  /** It is still waited for that moment: it was not told to stop. */
  waiting: boolean;
}

type Host = Pick<HandoffHost, "clock" | "config">;

/** @param leave takes it away if nobody is connected at this moment; whether that was so */
export function awaitLeave({ clock, config }: Host, worker: HandlerRef, leave: () => boolean): Aging {
  const { stopTimeout } = config;
  const aged = new AgedWorker(clock, worker, leave, stopTimeout === null ? null : clock.now() + stopTimeout);
  aged.look();
  return aged;
}

/** Goes on with what an `Aging` has saved: the next look is as far away as after any other. */
export function resumeLeave(
  { clock }: Pick<Host, "clock">,
  worker: HandlerRef,
  leave: () => boolean,
  { until, waiting }: SavedAging,
): Aging {
  const aged = new AgedWorker(clock, worker, leave, until);
  if (waiting) aged.lookLater();
  return aged;
}

class AgedWorker implements Aging {
  readonly #clock: Clock;
  readonly #worker: HandlerRef;
  readonly #leave: () => boolean;
  readonly #until: number | null;
  #timer: Timer | null = null;

  constructor(clock: Clock, worker: HandlerRef, leave: () => boolean, until: number | null) {
    this.#clock = clock;
    this.#worker = worker;
    this.#leave = leave;
    this.#until = until;
  }

  look(): void {
    this.#timer = null;
    if (this.#worker.isStopping || this.#leave()) return;
    if (this.#leftMs() > 0) this.lookLater();
    else this.#worker.stop(tooOld);
  }

  lookLater(): void {
    const inMs = Math.max(0, Math.min(lookEveryMs, this.#leftMs()));
    this.#timer = this.#clock.after(inMs, () => this.look());
  }

  giveUp(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  save(): SavedAging {
    return { until: this.#until, waiting: this.#timer !== null };
  }

  #leftMs(): number {
    return (this.#until ?? Number.POSITIVE_INFINITY) - this.#clock.now();
  }
}
