/**
 * Datagrams to a handler and back: a Unix SOCK_SEQPACKET pair, which keeps their borders. The queues are the kernel's:
 * bounded, and with no memory of ours behind them.
 *
 * We keep a copy of the handler's end as well. So the pair outlives the handler, nothing is lost in a queue that died
 * with its reader, and what was not read can be given to somebody else. The price is that the handler's end is not
 * seen here: it must be learned from the process.
 */
import type { Carry } from "../native/carry.ts";
import { type Fd, isSystemError, type Sys } from "../native/sys.ts";
import { constant } from "./constants.ts";
import { datagramBuffer } from "./datagram.ts";

type PairSys = Pick<
  Sys,
  "close" | "constants" | "receiveMessage" | "sendMessage" | "setsockopt" | "shutdown" | "socketpair"
>;

/**
 * Asked for towards the handler; the kernel doubles it and charges its bookkeeping too: room for 340 datagrams of a few
 * bytes, for 110 of 1,400, for 4 of the longest.
 */
const queueBytes = 128 * 1024;

/** Both ends; what is in the queues, and whether the end was told, stays in the kernel. */
export interface SavedPair {
  ourEnd: Fd;
  handlerEnd: Fd;
}

export class DatagramPair {
  readonly ourEnd: Fd;
  /** Blocking; lent to whoever starts the handler. */
  readonly handlerEnd: Fd;
  readonly #sys: PairSys;

  /**
   * @param saved the one of another process, instead of a new one
   * @throws a system error when there are no descriptors for it
   */
  constructor(sys: PairSys, saved: { state: SavedPair; claim: Carry } | null = null) {
    this.#sys = sys;
    if (saved !== null) {
      this.ourEnd = saved.claim(saved.state.ourEnd);
      this.handlerEnd = saved.claim(saved.state.handlerEnd);
      return;
    }
    [this.ourEnd, this.handlerEnd] = sys.socketpair("seqpacket");
    sys.setsockopt(this.ourEnd, constant(sys, "SOL_SOCKET"), constant(sys, "SO_SNDBUF"), queueBytes);
    this.#askForCredentials(this.ourEnd);
  }

  /** Queues a datagram for the handler. `false`: there is no room, or the handler has shut its end down. */
  send(data: Uint8Array): boolean {
    try {
      return this.#sys.sendMessage(this.ourEnd, data) !== null;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return false;
    }
  }

  /**
   * The next datagram that the handler has written, borrowed until another is received anywhere; `null`: none waits;
   * `"end"`: it has shut its end down and will say no more.
   */
  receive(): Uint8Array | "end" | null {
    return this.#next(this.ourEnd);
  }

  /** Takes back what the handler has not read. */
  unread(): Uint8Array[] {
    this.#askForCredentials(this.handlerEnd);
    const unread: Uint8Array[] = [];
    for (;;) {
      const data = this.#next(this.handlerEnd);
      if (data === null || data === "end") return unread;
      unread.push(Uint8Array.from(data));
    }
  }

  /** Once it has read what is queued, the handler reads the end of file; it may still write. */
  finish(): void {
    this.#sys.shutdown(this.ourEnd, "write");
  }

  save(carry: Carry): SavedPair {
    return { ourEnd: carry(this.ourEnd), handlerEnd: carry(this.handlerEnd) };
  }

  /** Whoever watches our end must have ended that. */
  close(): void {
    this.#sys.close(this.ourEnd);
    this.#sys.close(this.handlerEnd);
  }

  #next(fd: Fd): Uint8Array | "end" | null {
    const buffer = datagramBuffer();
    const message = this.#sys.receiveMessage(fd, buffer);
    if (message === null) return null;
    // Descriptors that a handler sends along would otherwise pile up here.
    for (const gift of message.fds) this.#sys.close(gift);
    return message.length === 0 && message.credentials === null ? "end" : buffer.subarray(0, message.length);
  }

  /** An empty datagram carries its writer's, the end of file carries none: all that tells one from the other. */
  #askForCredentials(fd: Fd): void {
    const sys = this.#sys;
    sys.setsockopt(fd, constant(sys, "SOL_SOCKET"), constant(sys, "SO_PASSCRED"), 1);
  }
}
