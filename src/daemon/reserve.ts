/**
 * Descriptors held back for the moment when no other is left: the control socket stays usable, and a connection that
 * was accepted with the last one still gets its handler.
 */
import type { Fd, Sys } from "../native/sys.ts";
import { isSystemError } from "../native/sys.ts";

type ReserveSys = Pick<Sys, "dup" | "close">;

export class Reserve {
  readonly #sys: ReserveSys;
  readonly #source: Fd;
  readonly #size: number;
  readonly #held: Fd[] = [];

  /** Borrows `source` (/dev/null), of which the reserve holds duplicates. */
  constructor(sys: ReserveSys, source: Fd, size: number) {
    this.#sys = sys;
    this.#source = source;
    this.#size = size;
    this.refill();
  }

  /**
   * Runs `action` once more with reserved descriptors free, after it failed for want of one.
   * The reserve is filled again as soon as that is possible.
   */
  lend<T>(action: () => T): T {
    for (const fd of this.#held.splice(0)) this.#sys.close(fd);
    try {
      return action();
    } finally {
      this.refill();
    }
  }

  /** Takes back what was lent, as far as there is room. @returns whether the reserve is whole */
  refill(): boolean {
    try {
      while (this.#held.length < this.#size) this.#held.push(this.#sys.dup(this.#source));
      return true;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return false;
    }
  }

  close(): void {
    for (const fd of this.#held.splice(0)) this.#sys.close(fd);
  }
}
