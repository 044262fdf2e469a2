/**
 * Lines to stderr or a file. A thread of the pool writes them, since neither a pipe that nobody reads nor a file system
 * that hangs can be asked first: O_NONBLOCK would be shared with every handler that has the same stderr.
 */
import { close as closeFile, closeSync, constants, open, openSync, write } from "node:fs";
import type { Clock, Timer } from "../../util/clock.ts";
import { err, ok, type Result } from "../../util/result.ts";
import {
  type Destination,
  type Entry,
  flushTimeoutMs,
  lossNotice,
  mostBufferedBytes,
} from "../destination.ts";

/** What is needed of node:fs, so that a test can have it fail. */
export interface Files {
  open(path: string, flags: number, mode: number, done: (error: Failure, fd: number) => void): void;
  write(
    fd: number,
    data: Uint8Array,
    offset: number,
    length: number,
    position: null,
    done: (error: Failure, written: number) => void,
  ): void;
  close(fd: number, done: () => void): void;
}
type Failure = NodeJS.ErrnoException | null;

/** For stderr, which is not ours to close, `path` is `null`. */
export interface LineTarget {
  fd: number;
  path: string | null;
}

/** Non-blocking, so that a FIFO without a reader is an error and does not stop the daemon at its start. */
const openFlags =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;
const fileMode = 0o640;

/** One write takes at most so much, so that a failure costs few lines. */
const chunkBytes = 64 * 1024;
/**
 * A line by itself is written at once; of a flow, one write takes what has come in so long. A write is a matter of two
 * threads and some ten system calls: with one for each turn of the loop, the lines of a connection cost more than 200 us
 * of CPU, most of it here; with this, under 50.
 */
const gatherMs = 10;
/** A descriptor that somebody made non-blocking, and that is full, is tried again after so long. */
const retryMs = 100;

const newline = 0x0a;

export function openLogFile(path: string): Result<LineTarget, string> {
  try {
    return ok({ fd: openSync(path, openFlags, fileMode), path });
  } catch (error) {
    return err((error as NodeJS.ErrnoException).code ?? String(error));
  }
}

export class Lines implements Destination {
  readonly #format: (entry: Entry) => string;
  readonly #clock: Clock;
  readonly #files: Files;
  #target: LineTarget;
  /** Lines, each with its newline, that no write has begun with. */
  #queue: string[] = [];
  #queuedBytes = 0;
  /** A thread has a piece of the log in its hands. */
  #writing = false;
  #retry: Timer | null = null;
  /** When the last write began, and who waits for the moment of the next. */
  #wroteAt = Number.NEGATIVE_INFINITY;
  #gather: Timer | null = null;
  #reopen = false;
  /** The last write has stopped in the middle of a line. */
  #torn = false;
  #dropped = 0;
  /** All that were ever dropped. */
  #lost = 0;
  /** What the notice on its way says; it counts again if that one is lost too. */
  #announced = 0;
  #closed = false;
  readonly #waiting = new Set<() => void>();

  /** Keeps `target`. @param format an entry as a line, with its newline */
  constructor(
    target: LineTarget,
    format: (entry: Entry) => string,
    clock: Clock,
    files: Files = { open, write, close: closeFile },
  ) {
    this.#target = target;
    this.#format = format;
    this.#clock = clock;
    this.#files = files;
  }

  write(entry: Entry): void {
    if (this.#closed) this.#lost += 1;
    else if (this.#queuedBytes >= mostBufferedBytes) this.#drop(1);
    else this.#queue.push(this.#line(entry));
    this.#next();
  }

  get lost(): number {
    return this.#lost;
  }

  #drop(lines: number): void {
    this.#dropped += lines;
    this.#lost += lines;
  }

  reopen(): void {
    if (this.#target.path === null) return;
    this.#reopen = true;
    this.#next();
  }

  async flush(): Promise<boolean> {
    if (this.#isBusy) {
      await new Promise<void>((resolve) => {
        const done = () => {
          timer.cancel();
          this.#waiting.delete(done);
          resolve();
        };
        const timer = this.#clock.after(flushTimeoutMs, done);
        this.#waiting.add(done);
        this.#next();
      });
    }
    return !this.#writing;
  }

  async close(): Promise<boolean> {
    const free = await this.flush();
    this.#closed = true;
    this.#retry?.cancel();
    this.#gather?.cancel();
    if (free && this.#target.path !== null) closeSync(this.#target.fd);
    return free;
  }

  get #isBusy(): boolean {
    return this.#writing || this.#queue.length > 0 || this.#reopen;
  }

  #line(entry: Entry): string {
    const line = this.#format(entry);
    this.#queuedBytes += line.length;
    return line;
  }

  /** Whether more lines are waited for. Nobody waits who wants them written, nor for more than a write takes. */
  #isGathering(): boolean {
    const leftMs = this.#wroteAt + gatherMs - this.#clock.now();
    if (leftMs <= 0 || this.#waiting.size > 0 || this.#queuedBytes >= chunkBytes) {
      this.#gather?.cancel();
      this.#gather = null;
      return false;
    }
    this.#gather ??= this.#clock.after(leftMs, () => {
      this.#gather = null;
      this.#next();
    });
    return true;
  }

  /** Begins the next write, if none is under way. */
  #next(): void {
    if (this.#closed || this.#writing || this.#retry !== null) return;
    if (this.#reopen) {
      this.#openAgain();
      return;
    }
    if (this.#queue.length === 0) {
      for (const done of [...this.#waiting]) done();
      return;
    }
    if (this.#isGathering()) return;
    const lines = this.#torn ? ["\n"] : [];
    this.#torn = false;
    let size = 0;
    let taken = 0;
    while (taken < this.#queue.length && size < chunkBytes) {
      const line = this.#queue[taken] ?? "";
      lines.push(line);
      size += line.length;
      taken += 1;
    }
    this.#queue = taken === this.#queue.length ? [] : this.#queue.slice(taken);
    this.#queuedBytes -= size;
    this.#wroteAt = this.#clock.now();
    this.#put(Buffer.from(lines.join("")), 0);
  }

  #put(chunk: Buffer, offset: number): void {
    this.#writing = true;
    this.#files.write(this.#target.fd, chunk, offset, chunk.length - offset, null, (error, written) => {
      this.#writing = false;
      if (this.#closed) return;
      if (error?.code === "EAGAIN" || error?.code === "EINTR") {
        this.#retry = this.#clock.after(retryMs, () => {
          this.#retry = null;
          this.#put(chunk, offset);
        });
      } else if (error !== null) {
        this.#lose(chunk, offset, error);
      } else if (offset + written < chunk.length) {
        this.#put(chunk, offset + written);
      } else {
        this.#announced = 0;
        // It takes something again: the right moment to say what it did not take.
        if (this.#dropped > 0) this.#announce();
        this.#next();
      }
    });
  }

  /** In front, so that the next write has it. */
  #announce(): void {
    this.#announced = this.#dropped;
    this.#dropped = 0;
    this.#queue.unshift(this.#line(lossNotice(this.#announced)));
  }

  #lose(chunk: Buffer, offset: number, error: NodeJS.ErrnoException): void {
    const lines = newlinesIn(chunk.subarray(offset));
    // The notice is no line of its own, but what it stands for, which has been counted as lost.
    this.#drop(this.#announced > 0 ? lines - 1 : lines);
    this.#dropped += this.#announced;
    this.#announced = 0;
    this.#torn = offset > 0 && chunk[offset - 1] !== newline;
    if (error.code === "EPIPE" && this.#target.path === null) {
      // Whoever read stderr has gone, and nobody can take his place.
      this.#lost += this.#queue.length;
      this.#queue = [];
      this.#queuedBytes = 0;
      this.#closed = true;
      for (const done of [...this.#waiting]) done();
    }
    this.#next();
  }

  #openAgain(): void {
    const { path } = this.#target;
    this.#reopen = false;
    if (path === null) return;
    this.#writing = true;
    this.#files.open(path, openFlags, fileMode, (error, fd) => {
      this.#writing = false;
      if (error === null) {
        this.#files.close(this.#target.fd, () => {});
        this.#target = { fd, path };
        this.#torn = false;
      } else {
        const msg = `cannot open ${path} again: ${error.code}; the log goes on in the file that was open`;
        this.#queue.push(this.#line({ level: "error", fields: { error: error.code }, msg }));
      }
      if (this.#closed) closeSync(this.#target.fd);
      else this.#next();
    });
  }
}

function newlinesIn(data: Buffer): number {
  let count = 0;
  for (const byte of data) if (byte === newline) count += 1;
  return count;
}
