/**
 * `protocol = "seqpacket"`: every message is one JSON object with exactly one descriptor attached, on a Unix socket
 * that keeps messages apart, so that a worker in any language needs one recvmsg(2) per connection.
 *
 * There is no acknowledgement in the protocol: that the worker has received a message is seen in our own send queue,
 * which holds it until then (SIOCOUTQ), and is announced by an edge of EPOLLOUT. The event loop knows levels only, so
 * an epoll descriptor of its own stands in between.
 */
import type { Carry } from "../native/carry.ts";
import type { Fd, Sys, Watch } from "../native/sys.ts";
import { isSystemError, READABLE } from "../native/sys.ts";
import {
  type Channel,
  type ChannelEvents,
  type ChannelKind,
  longestMessage,
  parseWorkerMessage,
} from "./channel.ts";

/** Bounded below what a socket holds anyway: a worker that does not read should not be given hundreds of clients. */
const mostOutstanding = 64;

/** Of less than this no message is made: it is what the kernel has not taken off yet of one that was received. */
const leastWeight = 256;

/** Messages read in one turn of the event loop. */
const messagesPerTurn = 64;

interface Queued {
  id: number;
  /** What the message added to the send queue, in the kernel's own measure. */
  weight: number;
}

/** As the channel of another process has left it. What has been sent and not received stands in the socket. */
export interface SavedSeqpacketChannel {
  /** Our end; `null` if it was closed. */
  fd: Fd | null;
  queued: Queued[];
  full: boolean;
  hungUp: boolean;
  reset: boolean;
  failed: boolean;
}

const unused = { queued: [], full: false, hungUp: false, reset: false, failed: false };

export const seqpacketChannel: ChannelKind = {
  variables: ["TINETD_CHANNEL=3"],
  create(sys) {
    const [ours, theirs] = sys.socketpair("seqpacket");
    return { channel: new SeqpacketChannel(sys, { ...unused, fd: ours }), theirs };
  },
  restore(sys, saved, claim) {
    const state = saved as SavedSeqpacketChannel;
    return new SeqpacketChannel(sys, { ...state, fd: state.fd === null ? null : claim(state.fd) });
  },
};

/** Our end while it is open. */
interface Ours {
  fd: Fd;
  /** The epoll descriptor that tells of edges. */
  edges: Fd;
  reading: Watch;
  emptying: Watch;
}

class SeqpacketChannel implements Channel {
  readonly #sys: Sys;
  #events: ChannelEvents | null = null;
  /** `null` once it is closed. */
  #ours: Ours | null;
  readonly #buffer = Buffer.alloc(longestMessage);
  #queued: Queued[];
  #full: boolean;
  /** The worker's end is closed. What was in the queue then is thrown away, which looks as if it had been received. */
  #hungUp: boolean;
  /** It ended with messages unread: the kernel says so once, with ECONNRESET, to whoever asks first. */
  #reset: boolean;
  /** It was told that the channel is of no use any more: it is not listened to. */
  #failed: boolean;
  /** The worker has ended: the end of its channel is no news. */
  #ended = false;

  /** Keeps the descriptor. */
  constructor(sys: Sys, { fd, queued, full, hungUp, reset, failed }: SavedSeqpacketChannel) {
    this.#sys = sys;
    this.#queued = [...queued];
    this.#full = full;
    this.#hungUp = hungUp;
    this.#reset = reset;
    this.#failed = failed;
    this.#ours = fd === null ? null : this.#watch(fd);
  }

  get outstanding(): readonly number[] {
    return this.#queued.map(({ id }) => id);
  }

  begin(events: ChannelEvents): void {
    this.#events = events;
    if (this.#failed || this.#ours === null) return;
    this.#ours.reading.start(READABLE);
    this.#ours.emptying.start(READABLE);
  }

  save(carry: Carry): SavedSeqpacketChannel {
    return {
      fd: this.#ours === null ? null : carry(this.#ours.fd),
      queued: this.#queued.map(({ id, weight }) => ({ id, weight })),
      full: this.#full,
      hungUp: this.#hungUp,
      reset: this.#reset,
      failed: this.#failed,
    };
  }

  send(id: number, fd: Fd, message: string): boolean {
    const before = this.#waiting();
    if (this.#queued.length >= mostOutstanding || !this.#write(message, fd)) {
      this.#full = true;
      return false;
    }
    const after = this.#waiting();
    this.#queued.push({ id, weight: Math.max(leastWeight, after - before) });
    // It may have been received between the two looks, and then no edge is to come.
    if (after < leastWeight) this.#emptied();
    return true;
  }

  finish(): void {
    this.#ended = true;
    while (this.#read());
    if (this.#reset || this.#ours === null) return;
    // It ended with nothing unread.
    this.#tellReceived(this.#queued.length);
  }

  end(): void {
    if (this.#ours !== null) this.#sys.shutdown(this.#ours.fd, "write");
  }

  close(): void {
    if (this.#ours === null) return;
    const { fd, edges, reading, emptying } = this.#ours;
    this.#ours = null;
    reading.close();
    emptying.close();
    this.#sys.close(edges);
    this.#sys.close(fd);
  }

  /**
   * An epoll descriptor tells at once of what holds when a socket is added to it: what was received, or hung up, while
   * the daemon executed itself anew is no edge that is missed.
   */
  #watch(fd: Fd): Ours {
    const edges = this.#sys.epoll();
    const { EPOLLOUT = 4, EPOLLET = 2 ** 31 } = this.#sys.constants;
    this.#sys.epollAdd(edges, fd, EPOLLOUT + EPOLLET);
    return {
      fd,
      edges,
      reading: this.#sys.watch(fd, () => void this.#read()),
      emptying: this.#sys.watch(edges, () => this.#emptied()),
    };
  }

  #write(message: string, fd: Fd): boolean {
    if (this.#ours === null) return false;
    try {
      return this.#sys.sendMessage(this.#ours.fd, Buffer.from(message), null, [fd]) !== null;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      // The worker has gone; its end is told by the watch.
      this.#reset ||= error.code === "ECONNRESET";
      return false;
    }
  }

  /** How much stands in the send queue. */
  #waiting(): number {
    if (this.#ours === null) return 0;
    return this.#sys.ioctlInt(this.#ours.fd, this.#sys.constants.SIOCOUTQ ?? 0x5411);
  }

  /** The queue is in order: what is left of it are the last messages. */
  #emptied(): void {
    if (this.#ours === null) return;
    let left: number;
    do left = this.#waiting();
    while (this.#hasEdge());
    if (this.#hungUp) return;
    let kept = this.#queued.length;
    while (kept > 0 && left >= leastWeight) {
      kept -= 1;
      left -= this.#queued[kept]?.weight ?? 0;
    }
    this.#tellReceived(kept);
    if (this.#full && this.#queued.length < mostOutstanding && this.#ours !== null) {
      this.#full = false;
      this.#events?.room();
    }
  }

  /** @param count of the oldest */
  #tellReceived(count: number): void {
    const received = this.#queued.splice(0, count);
    if (received.length > 0) this.#events?.received(received.map(({ id }) => id));
  }

  /**
   * To be asked after the queue was looked at, not before: the kernel hangs up first and empties the queue then, so
   * that an empty queue without a hang-up was emptied by the worker.
   */
  #hasEdge(): boolean {
    if (this.#ours === null) return false;
    const { EPOLLHUP = 16, EPOLLERR = 8 } = this.#sys.constants;
    const events = this.#sys.epollWait(this.#ours.edges);
    this.#hungUp ||= events.some((event) => (event.events & (EPOLLHUP | EPOLLERR)) !== 0);
    return events.length > 0;
  }

  /** @returns whether there may be more */
  #read(): boolean {
    for (let turn = 0; turn < messagesPerTurn && this.#ours !== null; turn++) {
      let length: number | null;
      try {
        const message = this.#sys.receiveMessage(this.#ours.fd, this.#buffer);
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
      if (length === null) return false;
      if (length === 0) {
        this.#fail("it has closed its channel");
        return false;
      }
      this.#take(this.#buffer.toString("utf8", 0, length));
    }
    return this.#ours !== null;
  }

  #take(text: string): void {
    const message = parseWorkerMessage(text);
    if (message === undefined) this.#fail("it has sent what is no JSON object");
    if (message?.type === "done") {
      // It has received what it is done with, whether or not the queue's edge was seen yet.
      this.#emptied();
      this.#events?.done(message.id);
    }
    if (message?.type === "ready") this.#events?.ready();
  }

  #fail(reason: string): void {
    if (this.#ours === null || this.#ended || this.#failed) return;
    this.#failed = true;
    this.#ours.reading.stop();
    this.#ours.emptying.stop();
    this.#events?.broken(reason);
  }
}
