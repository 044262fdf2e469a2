/**
 * `protocol = "seqpacket"`: every message is one JSON object with exactly one descriptor attached, on a Unix socket
 * that keeps messages apart, so that a worker in any language needs one recvmsg(2) per connection.
 *
 * There is no acknowledgement in the protocol: that the worker has received a message is seen in our own send queue,
 * which holds it until then (SIOCOUTQ), and is announced by an edge of EPOLLOUT. The event loop knows levels only, so
 * an epoll descriptor of its own stands in between.
 */
import type { Fd, Sys, Watch } from "../native/sys.ts";
import { isSystemError, READABLE } from "../native/sys.ts";
import {
  type Channel,
  type ChannelEvents,
  longestMessage,
  type Outstanding,
  parseWorkerMessage,
} from "./channel.ts";

/** Bounded below what a socket holds anyway: a worker that does not read should not be given hundreds of clients. */
const mostOutstanding = 64;

/** Of less than this no message is made: it is what the kernel has not taken off yet of one that was received. */
const leastWeight = 256;

/** Messages read in one turn of the event loop. */
const messagesPerTurn = 64;

interface Queued extends Outstanding {
  /** What the message added to the send queue, in the kernel's own measure. */
  weight: number;
}

export class SeqpacketChannel implements Channel {
  readonly theirs: Fd;
  readonly variables = ["TINETD_CHANNEL=3"];
  readonly #sys: Sys;
  readonly #events: ChannelEvents;
  readonly #ours: Fd;
  readonly #edges: Fd;
  readonly #watches: Watch[];
  readonly #buffer = Buffer.alloc(longestMessage);
  #queued: Queued[] = [];
  #full = false;
  /** The worker's end is closed. What was in the queue then is thrown away, which looks as if it had been received. */
  #hungUp = false;
  #spawned = false;
  #closed = false;
  /** The worker has ended: the end of its channel is no news. */
  #ended = false;
  /** It ended with messages unread: the kernel says so once, with ECONNRESET, to whoever asks first. */
  #reset = false;

  constructor(sys: Sys, events: ChannelEvents) {
    this.#sys = sys;
    this.#events = events;
    [this.#ours, this.theirs] = sys.socketpair("seqpacket");
    this.#edges = sys.epoll();
    const { EPOLLOUT = 4, EPOLLET = 2 ** 31 } = sys.constants;
    sys.epollAdd(this.#edges, this.#ours, EPOLLOUT + EPOLLET);
    const reading = sys.watch(this.#ours, () => this.#read());
    const emptying = sys.watch(this.#edges, () => this.#emptied());
    reading.start(READABLE);
    emptying.start(READABLE);
    this.#watches = [reading, emptying];
  }

  get outstanding(): readonly Outstanding[] {
    return this.#queued;
  }

  spawned(): void {
    if (!this.#spawned) this.#sys.close(this.theirs);
    this.#spawned = true;
  }

  send(connection: Outstanding, message: string): boolean {
    const before = this.#waiting();
    const isSent =
      !this.#closed && this.#queued.length < mostOutstanding && this.#write(message, connection.fd);
    if (!isSent) {
      this.#full = true;
      return false;
    }
    const after = this.#waiting();
    this.#queued.push({ ...connection, weight: Math.max(leastWeight, after - before) });
    // It may have been received between the two looks, and then no edge is to come.
    if (after < leastWeight) this.#emptied();
    return true;
  }

  finish(): void {
    this.#ended = true;
    this.#read();
    if (this.#reset || this.#closed) return;
    // It ended with nothing unread.
    const received = this.#queued.splice(0);
    if (received.length > 0) this.#events.received(received);
  }

  end(): void {
    if (!this.#closed) this.#sys.shutdown(this.#ours, "write");
  }

  close(): void {
    this.spawned();
    if (this.#closed) return;
    this.#closed = true;
    for (const watch of this.#watches) watch.close();
    this.#sys.close(this.#edges);
    this.#sys.close(this.#ours);
  }

  #write(message: string, fd: Fd): boolean {
    try {
      return this.#sys.sendMessage(this.#ours, Buffer.from(message), null, [fd]) !== null;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      // The worker has gone; its end is told by the watch.
      this.#reset ||= error.code === "ECONNRESET";
      return false;
    }
  }

  #waiting(): number {
    return this.#sys.ioctlInt(this.#ours, this.#sys.constants.SIOCOUTQ ?? 0x5411);
  }

  /** The queue is in order: what is left of it are the last messages. */
  #emptied(): void {
    if (this.#closed) return;
    let left: number;
    do left = this.#waiting();
    while (this.#hasEdge());
    if (this.#hungUp) return;
    let kept = this.#queued.length;
    while (kept > 0 && left >= leastWeight) {
      kept -= 1;
      left -= this.#queued[kept]?.weight ?? 0;
    }
    const received = this.#queued.slice(0, kept);
    this.#queued = this.#queued.slice(kept);
    if (received.length > 0) this.#events.received(received);
    if (this.#full && this.#queued.length < mostOutstanding && !this.#closed) {
      this.#full = false;
      this.#events.room();
    }
  }

  /**
   * To be asked after the queue was looked at, not before: the kernel hangs up first and empties the queue then, so
   * that an empty queue without a hang-up was emptied by the worker.
   */
  #hasEdge(): boolean {
    const { EPOLLHUP = 16, EPOLLERR = 8 } = this.#sys.constants;
    const events = this.#sys.epollWait(this.#edges);
    this.#hungUp ||= events.some((event) => (event.events & (EPOLLHUP | EPOLLERR)) !== 0);
    return events.length > 0;
  }

  #read(): void {
    for (let turn = 0; turn < messagesPerTurn && !this.#closed; turn++) {
      let length: number | null;
      try {
        const message = this.#sys.receiveMessage(this.#ours, this.#buffer);
        for (const fd of message?.fds ?? []) this.#sys.close(fd);
        length = message === null ? null : message.length;
      } catch (error) {
        if (!isSystemError(error)) throw error;
        const isNews = error.code === "ECONNRESET" && !this.#reset;
        this.#reset ||= isNews;
        // What the worker has said before comes after the error.
        if (isNews) continue;
        length = 0;
      }
      if (length === null) return;
      if (length === 0) {
        this.#fail("it has closed its channel");
        return;
      }
      this.#take(this.#buffer.toString("utf8", 0, length));
    }
  }

  #take(text: string): void {
    const message = parseWorkerMessage(text);
    if (message === undefined) this.#fail("it has sent what is no JSON object");
    if (message?.type === "done") {
      // It has received what it is done with, whether or not the queue's edge was seen yet.
      this.#emptied();
      this.#events.done(message.id);
    }
    if (message?.type === "ready") this.#events.ready();
  }

  #fail(reason: string): void {
    if (this.#closed || this.#ended) return;
    for (const watch of this.#watches) watch.stop();
    this.#events.broken(reason);
  }
}
