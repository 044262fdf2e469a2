/**
 * What relays have taken from one side and not given to the other yet, on its way over an upgrade: one behind the other
 * in an anonymous file. In the state itself it would be text, which 1,000 clients who do not read made 100 MB long and
 * a second slow, and which ends at the length that a string may have.
 */
import type { Carry } from "../native/carry.ts";
import type { Fd, Sys } from "../native/sys.ts";
import type { Clock } from "../util/clock.ts";

type UnsentSys = Pick<Sys, "close" | "sealedFile" | "readAt">;

export class UnsentWriter {
  readonly #pieces: Uint8Array[] = [];

  /** @returns its length, which is what `UnsentReader` is to be asked for, in the same order */
  add(bytes: Uint8Array): number {
    if (bytes.length > 0) this.#pieces.push(bytes);
    return bytes.length;
  }

  /** For the process that is executed in this turn of the event loop, if one is. @returns `null` if there is none of it */
  save(sys: UnsentSys, clock: Clock, carry: Carry): Fd | null {
    if (this.#pieces.length === 0) return null;
    const fd = sys.sealedFile("tinetd-unsent", Buffer.concat(this.#pieces));
    clock.after(0, () => sys.close(fd));
    return carry(fd);
  }
}

export class UnsentReader {
  readonly #sys: UnsentSys;
  readonly #fd: Fd | null;
  #position = 0;

  /** Keeps the descriptor until this turn is over: up to then it may be that another process has to read it all again. */
  constructor(sys: UnsentSys, clock: Clock, fd: Fd | null) {
    this.#sys = sys;
    this.#fd = fd;
    if (fd !== null) clock.after(0, () => sys.close(fd));
  }

  take(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const rest = bytes.subarray(filled);
      const count = this.#fd === null ? 0 : this.#sys.readAt(this.#fd, rest, this.#position);
      if (count === 0) throw new Error("less came along than relays have not sent yet");
      filled += count;
      this.#position += count;
    }
    return bytes;
  }
}
