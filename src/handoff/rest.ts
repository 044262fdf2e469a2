/**
 * A worker that has nothing to do, and how long it may be left so. The timeout counts from the moment since when it
 * rests, also where a reload has made it another meanwhile.
 */
import type { Clock, Timer } from "../util/clock.ts";

export class Rest {
  readonly #clock: Pick<Clock, "now" | "after">;
  readonly #timeoutMs: () => number | null;
  readonly #onOver: () => void;
  #since: number | null = null;
  #timer: Timer | null = null;

  /**
   * @param timeoutMs asked when it begins, when it is reviewed and when it seems to be over; `null`: for ever
   * @param onOver it has rested for so long; never called before `begin` or `review` has returned
   */
  constructor(clock: Pick<Clock, "now" | "after">, timeoutMs: () => number | null, onOver: () => void) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onOver = onOver;
  }

  /** On the monotonic clock; `null` if it does not rest, or has been told of by `onOver`. */
  get since(): number | null {
    return this.#since;
  }

  /** Anew, if it did before. */
  begin(since: number = this.#clock.now()): void {
    this.#since = since;
    this.review();
  }

  /** The timeout may be another. */
  review(): void {
    this.#timer?.cancel();
    const leftMs = this.#leftMs();
    this.#timer = leftMs === null ? null : this.#clock.after(Math.max(0, leftMs), () => this.#look());
  }

  #look(): void {
    const leftMs = this.#leftMs();
    if (leftMs === null || leftMs > 0) {
      this.review();
      return;
    }
    this.end();
    this.#onOver();
  }

  /** `null`: there is no end to it. */
  #leftMs(): number | null {
    const timeoutMs = this.#timeoutMs();
    if (this.#since === null || timeoutMs === null) return null;
    return this.#since + timeoutMs - this.#clock.now();
  }

  /** It has something to do, or is gone. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#since = null;
  }
}
