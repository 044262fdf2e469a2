/**
 * Entries as datagrams to a Unix socket: the journal's, or that of syslog. The socket never blocks; what a busy receiver
 * does not take waits here, and when it is started anew it is connected to anew.
 */
import type { Fd, Sys, Watch } from "../../native/sys.ts";
import { isSystemError, WRITABLE } from "../../native/sys.ts";
import type { Clock } from "../../util/clock.ts";
import {
  type Destination,
  type Entry,
  flushTimeoutMs,
  lossNotice,
  mostBufferedBytes,
} from "../destination.ts";

export type DatagramSys = Pick<Sys, "socket" | "connect" | "sendMessage" | "watch" | "close">;

export class Datagrams implements Destination {
  readonly #sys: DatagramSys;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #encode: (entry: Entry) => Uint8Array;
  #socket: { fd: Fd; watch: Watch } | null = null;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #dropped = 0;
  /** All that were ever dropped. */
  #lost = 0;
  #closed = false;
  readonly #waiting = new Set<() => void>();

  /** @param path of the receiver's socket; it need not be there yet */
  constructor(sys: DatagramSys, clock: Clock, path: string, encode: (entry: Entry) => Uint8Array) {
    this.#sys = sys;
    this.#clock = clock;
    this.#path = path;
    this.#encode = encode;
  }

  /** @returns why the receiver cannot be reached now, or `null` */
  connect(): string | null {
    if (this.#socket !== null) return null;
    const fd = this.#sys.socket("unix", "dgram");
    try {
      this.#sys.connect(fd, { family: "unix", path: this.#path });
      // Only a connected socket tells when its peer has room (unix_dgram_poll).
      this.#socket = { fd, watch: this.#sys.watch(fd, () => this.#drain()) };
      return null;
    } catch (error) {
      this.#sys.close(fd);
      if (!isSystemError(error)) throw error;
      return error.code;
    }
  }

  write(entry: Entry): void {
    if (this.#closed) return;
    // Behind those that wait, or nobody could trust the order.
    if (this.#queue.length > 0 || !this.#send(entry)) this.#keep(entry);
  }

  get lost(): number {
    return this.#lost;
  }

  #drop(): void {
    this.#dropped += 1;
    this.#lost += 1;
  }

  reopen(): void {}

  async flush(): Promise<boolean> {
    if (this.#queue.length > 0) {
      await new Promise<void>((resolve) => {
        const done = () => {
          timer.cancel();
          this.#waiting.delete(done);
          resolve();
        };
        const timer = this.#clock.after(flushTimeoutMs, done);
        this.#waiting.add(done);
      });
    }
    return true;
  }

  async close(): Promise<boolean> {
    await this.flush();
    this.#closed = true;
    this.#disconnect();
    return true;
  }

  /** @returns `false` if the receiver has no room now */
  #send(entry: Entry): boolean {
    // What was lost came before this.
    if (this.#dropped > 0 && this.#transmit(this.#encode(lossNotice(this.#dropped))) === "sent")
      this.#dropped = 0;
    switch (this.#transmit(this.#encode(entry))) {
      case "lost":
        this.#drop();
        return true;
      case "sent":
        return true;
      case "full":
        return false;
    }
  }

  #transmit(data: Uint8Array): "sent" | "full" | "lost" {
    // Twice: the first failure may be that of a receiver which has been started anew since.
    for (let attempt = 0; attempt < 2; attempt++) {
      if (this.connect() !== null || this.#socket === null) return "lost";
      try {
        return this.#sys.sendMessage(this.#socket.fd, data) === null ? "full" : "sent";
      } catch (error) {
        if (!isSystemError(error)) throw error;
        if (error.code === "EMSGSIZE") return "lost";
        this.#disconnect();
      }
    }
    return "lost";
  }

  #keep(entry: Entry): void {
    if (this.#queuedBytes >= mostBufferedBytes) {
      this.#drop();
      return;
    }
    const data = this.#encode(entry);
    this.#queue.push(data);
    this.#queuedBytes += data.length;
    this.#socket?.watch.start(WRITABLE);
  }

  /** There is room again, or the receiver has gone. */
  #drain(): void {
    let taken = 0;
    for (const data of this.#queue) {
      const outcome = this.#transmit(data);
      if (outcome === "full") break;
      if (outcome === "lost") this.#drop();
      taken += 1;
      this.#queuedBytes -= data.length;
    }
    this.#queue = this.#queue.slice(taken);
    if (this.#queue.length > 0) {
      // A new socket, perhaps, after an error.
      this.#socket?.watch.start(WRITABLE);
      return;
    }
    this.#socket?.watch.stop();
    if (this.#dropped > 0 && this.#transmit(this.#encode(lossNotice(this.#dropped))) === "sent")
      this.#dropped = 0;
    for (const done of [...this.#waiting]) done();
  }

  #disconnect(): void {
    if (this.#socket === null) return;
    this.#socket.watch.close();
    this.#sys.close(this.#socket.fd);
    this.#socket = null;
  }
}
