/** A timer of which it is known when it will fire: so that it can be set anew in another process (an upgrade). */
import type { Clock, Timer } from "../util/clock.ts";

export class Alarm {
  readonly #clock: Clock;
  #timer: Timer | null = null;
  #at: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** When it fires, on the monotonic clock; `null` if it does not. */
  get at(): number | null {
    return this.#at;
  }

  /** Sets it, instead of what it was set to. */
  set(delayMs: number, callback: () => void): void {
    this.setAt(this.#clock.now() + delayMs, callback);
  }

  /** @param at on the monotonic clock; what is past fires at once, and `null` never */
  setAt(at: number | null, callback: () => void): void {
    this.cancel();
    if (at === null) return;
    this.#at = at;
    this.#timer = this.#clock.after(Math.max(0, at - this.#clock.now()), () => {
      this.#timer = null;
      this.#at = null;
      callback();
    });
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#at = null;
  }
}
