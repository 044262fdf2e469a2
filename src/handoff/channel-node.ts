/**
 * `protocol = "node"`: Node's own IPC, spoken from outside, so that a plain `process.on("message", (info, socket) =>
 * ...)` works with no library. A message with a handle is a line
 * `{"cmd":"NODE_HANDLE","type":"net.Socket","msg":...}` on a stream socket, with the descriptor attached to its first
 * byte; the worker answers NODE_HANDLE_ACK once it has it.
 */
import type { Fd, Sys, Watch } from "../native/sys.ts";
import { isSystemError, READABLE, WRITABLE } from "../native/sys.ts";
import {
  type Channel,
  type ChannelEvents,
  longestMessage,
  type Outstanding,
  parseWorkerMessage,
} from "./channel.ts";

/** Sent and not acknowledged at the same time: enough to keep a worker busy, few enough to give to another if it dies. */
const mostOutstanding = 32;

export class NodeChannel implements Channel {
  readonly theirs: Fd;
  readonly variables = ["NODE_CHANNEL_FD=3", "NODE_CHANNEL_SERIALIZATION_MODE=json"];
  readonly outstanding: Outstanding[] = [];
  readonly #sys: Sys;
  readonly #events: ChannelEvents;
  readonly #ours: Fd;
  readonly #watch: Watch;
  readonly #buffer = Buffer.alloc(16_384);
  #text = "";
  #full = false;
  /** The rest of a message whose beginning, and descriptor, has gone out. */
  #rest: Uint8Array = Buffer.alloc(0);
  #spawned = false;
  #closed = false;
  /** Nothing more is to be sent; told to the worker once it has the rest. */
  #ending = false;
  /** The worker has ended: the end of its channel is no news. */
  #ended = false;

  constructor(sys: Sys, events: ChannelEvents) {
    this.#sys = sys;
    this.#events = events;
    [this.#ours, this.theirs] = sys.socketpair("stream");
    this.#watch = sys.watch(this.#ours, (ready) => this.#ready(ready));
    this.#watch.start(READABLE);
  }

  spawned(): void {
    if (!this.#spawned) this.#sys.close(this.theirs);
    this.#spawned = true;
  }

  send(connection: Outstanding, message: string): boolean {
    if (this.#closed || this.#ending || this.#rest.length > 0 || this.outstanding.length >= mostOutstanding) {
      this.#full = true;
      return false;
    }
    const line = Buffer.from(`{"cmd":"NODE_HANDLE","type":"net.Socket","msg":${message}}\n`);
    const sent = this.#write(line, [connection.fd]);
    if (sent === null) {
      this.#full = true;
      return false;
    }
    this.outstanding.push(connection);
    this.#rest = line.subarray(sent);
    this.#rewatch();
    return true;
  }

  finish(): void {
    this.#ended = true;
    while (!this.#closed && this.#read());
  }

  end(): void {
    this.#ending = true;
    this.#endIfSent();
  }

  close(): void {
    this.spawned();
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    this.#sys.close(this.#ours);
  }

  #endIfSent(): void {
    if (this.#ending && !this.#closed && this.#rest.length === 0) this.#sys.shutdown(this.#ours, "write");
  }

  #write(data: Uint8Array, descriptors: Fd[]): number | null {
    try {
      return this.#sys.sendMessage(this.#ours, data, null, descriptors);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      // The worker has gone; its end is told by the watch, and what was not sent is the caller's.
      return null;
    }
  }

  #ready(ready: number): void {
    if ((ready & WRITABLE) !== 0 && this.#rest.length > 0) {
      const sent = this.#write(this.#rest, []);
      if (sent !== null) this.#rest = this.#rest.subarray(sent);
      this.#rewatch();
      this.#endIfSent();
      this.#roomAgain();
    }
    if ((ready & READABLE) !== 0) this.#read();
  }

  #rewatch(): void {
    this.#watch.start(this.#rest.length > 0 ? READABLE | WRITABLE : READABLE);
  }

  /** @returns whether there may be more */
  #read(): boolean {
    let length: number | null;
    try {
      length = this.#sys.read(this.#ours, this.#buffer);
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
    if (this.#closed || line === "") return;
    if (line.includes('"NODE_HANDLE_ACK"') || line.includes('"NODE_HANDLE_NACK"')) {
      const [first] = this.outstanding.splice(0, 1);
      if (first !== undefined) this.#events.received([first]);
      this.#roomAgain();
      return;
    }
    const message = parseWorkerMessage(line);
    // Other messages of Node's own, and of programs that send more than we know, mean nothing here.
    if (message?.type === "done") this.#events.done(message.id);
    if (message?.type === "ready") this.#events.ready();
  }

  #roomAgain(): void {
    if (!this.#full || this.#rest.length > 0 || this.outstanding.length >= mostOutstanding) return;
    this.#full = false;
    this.#events.room();
  }

  #fail(reason: string): void {
    if (this.#closed || this.#ended) return;
    this.#watch.stop();
    this.#events.broken(reason);
  }
}
