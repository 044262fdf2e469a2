/**
 * `protocol = "node"`: Node's own IPC, spoken from outside, so that a plain `process.on("message", (info, socket) =>
 * ...)` works with no library. A message with a handle is a line
 * `{"cmd":"NODE_HANDLE","type":"net.Socket","msg":...}` on a stream socket, with the descriptor attached to its first
 * byte; the worker answers NODE_HANDLE_ACK once it has it.
 */

import type { Carry } from "../native/carry.ts";
import { bytesToText, textToBytes } from "../native/carry.ts";
import type { Fd, Sys, Watch } from "../native/sys.ts";
import { isSystemError, READABLE, WRITABLE } from "../native/sys.ts";
import {
  type Channel,
  type ChannelEvents,
  type ChannelKind,
  longestMessage,
  parseWorkerMessage,
} from "./channel.ts";

/** Sent and not acknowledged at the same time: enough to keep a worker busy, few enough to give to another if it dies. */
const mostOutstanding = 32;

/** As the channel of another process has left it. */
export interface SavedNodeChannel {
  /** Our end; `null` if it was closed. */
  fd: Fd | null;
  outstanding: number[];
  /** The beginning of a line of the worker's. */
  text: string;
  /** The end of a message of ours that is still to be sent, as `bytesToText` writes it. */
  rest: string;
  full: boolean;
  ending: boolean;
  failed: boolean;
}

const unused = { outstanding: [], text: "", rest: "", full: false, ending: false, failed: false };

export const nodeChannel: ChannelKind = {
  variables: ["NODE_CHANNEL_FD=3", "NODE_CHANNEL_SERIALIZATION_MODE=json"],
  create(sys) {
    const [ours, theirs] = sys.socketpair("stream");
    return { channel: new NodeChannel(sys, { ...unused, fd: ours }), theirs };
  },
  restore(sys, saved, claim) {
    const state = saved as SavedNodeChannel;
    return new NodeChannel(sys, { ...state, fd: state.fd === null ? null : claim(state.fd) });
  },
};

class NodeChannel implements Channel {
  readonly #outstanding: number[];
  readonly #sys: Sys;
  #events: ChannelEvents | null = null;
  /** `null` once it is closed. */
  #ours: { fd: Fd; watch: Watch } | null;
  readonly #buffer = Buffer.alloc(16_384);
  #text: string;
  #full: boolean;
  /** The rest of a message whose beginning, and descriptor, has gone out. */
  #rest: Uint8Array;
  /** Nothing more is to be sent; told to the worker once it has the rest. */
  #ending: boolean;
  /** It was told that the channel is of no use any more: it is not listened to. */
  #failed: boolean;
  /** The worker has ended: the end of its channel is no news. */
  #ended = false;

  /** Keeps the descriptor. */
  constructor(sys: Sys, { fd, outstanding, text, rest, full, ending, failed }: SavedNodeChannel) {
    this.#sys = sys;
    this.#outstanding = [...outstanding];
    this.#text = text;
    this.#rest = textToBytes(rest);
    this.#full = full;
    this.#ending = ending;
    this.#failed = failed;
    this.#ours =
      fd === null ? null : { fd, watch: sys.watch(fd, (ready, status) => this.#ready(ready, status)) };
  }

  get outstanding(): readonly number[] {
    return this.#outstanding;
  }

  begin(events: ChannelEvents): void {
    this.#events = events;
    if (!this.#failed) this.#rewatch();
  }

  save(carry: Carry): SavedNodeChannel {
    return {
      fd: this.#ours === null ? null : carry(this.#ours.fd),
      outstanding: [...this.#outstanding],
      text: this.#text,
      rest: bytesToText(this.#rest),
      full: this.#full,
      ending: this.#ending,
      failed: this.#failed,
    };
  }

  send(id: number, fd: Fd, message: string): boolean {
    const line = Buffer.from(`{"cmd":"NODE_HANDLE","type":"net.Socket","msg":${message}}\n`);
    const sent = this.#takesMore() ? this.#write(line, [fd]) : null;
    if (sent === null) {
      this.#full = true;
      return false;
    }
    this.#outstanding.push(id);
    this.#rest = line.subarray(sent);
    this.#rewatch();
    return true;
  }

  finish(): void {
    this.#ended = true;
    while (this.#read());
  }

  end(): void {
    this.#ending = true;
    this.#endIfSent();
  }

  close(): void {
    if (this.#ours === null) return;
    const { fd, watch } = this.#ours;
    this.#ours = null;
    watch.close();
    this.#sys.close(fd);
  }

  #takesMore(): boolean {
    if (this.#ours === null || this.#ending) return false;
    return this.#rest.length === 0 && this.#outstanding.length < mostOutstanding;
  }

  #endIfSent(): void {
    if (this.#ending && this.#ours !== null && this.#rest.length === 0)
      this.#sys.shutdown(this.#ours.fd, "write");
  }

  #write(data: Uint8Array, descriptors: Fd[]): number | null {
    if (this.#ours === null) return null;
    try {
      return this.#sys.sendMessage(this.#ours.fd, data, null, descriptors);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      // The worker has gone; its end is told by the watch, and what was not sent is the caller's.
      return null;
    }
  }

  #ready(ready: number, status: number): void {
    if ((ready & WRITABLE) !== 0 && this.#rest.length > 0) {
      const sent = this.#write(this.#rest, []);
      if (sent !== null) this.#rest = this.#rest.subarray(sent);
      this.#rewatch();
      this.#endIfSent();
      this.#roomAgain();
    }
    // The worker's end was closed with messages unread. The watch tells of that once; what was said before comes first.
    if (status < 0) while (this.#read());
    else if ((ready & READABLE) !== 0) this.#read();
  }

  #rewatch(): void {
    this.#ours?.watch.start(this.#rest.length > 0 ? READABLE | WRITABLE : READABLE);
  }

  /** @returns whether there may be more */
  #read(): boolean {
    if (this.#ours === null) return false;
    let length: number | null;
    try {
      length = this.#sys.read(this.#ours.fd, this.#buffer);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      length = 0;
    }
    if (length === null) return false;
    if (length === 0) {
      this.#fail("it has closed its channel");
      return false;
    }
    const lines = (this.#text + this.#buffer.toString("utf8", 0, length)).split("\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) this.#take(line);
    if (this.#text.length > longestMessage * 16) this.#fail("it has sent a line without end");
    return true;
  }

  #take(line: string): void {
    if (this.#ours === null || line === "") return;
    if (line.includes('"NODE_HANDLE_ACK"') || line.includes('"NODE_HANDLE_NACK"')) {
      const [first] = this.#outstanding.splice(0, 1);
      if (first !== undefined) this.#events?.received([first]);
      this.#roomAgain();
      return;
    }
    const message = parseWorkerMessage(line);
    // Other messages of Node's own, and of programs that send more than we know, mean nothing here.
    if (message?.type === "done") this.#events?.done(message.id);
    if (message?.type === "ready") this.#events?.ready();
  }

  #roomAgain(): void {
    if (!this.#full || this.#rest.length > 0 || this.#outstanding.length >= mostOutstanding) return;
    this.#full = false;
    this.#events?.room();
  }

  #fail(reason: string): void {
    if (this.#ours === null || this.#ended || this.#failed) return;
    this.#failed = true;
    this.#ours.watch.stop();
    this.#events?.broken(reason);
  }
}
