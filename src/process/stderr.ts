/**
 * Where a handler's stderr goes. A service opens its target once; only `log` needs a pipe per handler, so that each
 * line is logged with the pid that wrote it.
 */
import { constants, openSync } from "node:fs";
import { bytesToText, type Carry, textToBytes } from "../native/carry.ts";
import type { Fd, Sys, Watch } from "../native/sys.ts";
import { isSystemError, READABLE } from "../native/sys.ts";
import type { Clock } from "../util/clock.ts";
import { err, ok, type Result } from "../util/result.ts";

export type StderrTarget =
  /** One descriptor for all; `owned` is ours to close. */
  { kind: "shared"; fd: Fd; owned: boolean } | { kind: "connection" } | { kind: "pipe" };

/** As `stderr` says. A file is appended to, made 0640 if it is absent, and never followed through a symbolic link. */
export function openStderr(
  declared: "inherit" | "log" | "null" | "socket" | { file: string },
  nothing: Fd,
): Result<StderrTarget, string> {
  if (declared === "inherit") return ok({ kind: "shared", fd: 2, owned: false });
  if (declared === "null") return ok({ kind: "shared", fd: nothing, owned: false });
  if (declared === "socket") return ok({ kind: "connection" });
  if (declared === "log") return ok({ kind: "pipe" });
  const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW, O_NOCTTY } = constants;
  try {
    const fd = openSync(declared.file, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW | O_NOCTTY, 0o640);
    return ok({ kind: "shared", fd, owned: true });
  } catch (error) {
    return err(`${declared.file}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** In units of UTF-16: none takes more than three bytes in UTF-8. */
const longestLine = 1024;
const longestLineBytes = 3 * longestLine;
/** A handler may write this many lines a second; then it is left waiting, and what it wrote beyond is counted. */
const linesPerSecond = 100;
const newline = 10;
const pauseMs = 250;

type PipeSys = Pick<Sys, "watch" | "read" | "close">;

/** Of all pipes: what is read is taken out before the next read. */
const scratch = Buffer.allocUnsafe(16 * 1024);
/** How much a pipe holds by default (pipe(7)). */
const pipeBytes = 64 * 1024;

export interface SavedStderrPipe {
  fd: Fd;
  /** The line that has no end yet, as `bytesToText`. */
  partial: string;
  /** Of the second that began at `windowStart`. */
  windowStart: number;
  lines: number;
  /** Those that were not kept, and are not reported yet. */
  dropped: number;
}

/**
 * The daemon's end of one handler's stderr pipe: cuts what comes into lines. A flood is dropped and counted, and the
 * pipe is left alone for a moment, so that the one who floods waits and nobody else does.
 */
export class StderrPipe {
  readonly #sys: PipeSys;
  readonly #clock: Clock;
  readonly #fd: Fd;
  readonly #watch: Watch;
  readonly #onLine: (text: string, dropped: number) => void;
  readonly #onEnd: () => void;
  /** Of the line that has no end yet. Bytes, for it may end within a character. */
  #partial: Uint8Array;
  #windowStart: number;
  #lines: number;
  #dropped: number;
  #closed = false;

  /**
   * Keeps `fd`, the read end.
   * @param onLine a line without its newline, or `dropped` > 0 lines that were not kept
   * @param onEnd every writer has closed its end
   * @param saved by another process image of ours, of this pipe
   */
  constructor(
    sys: PipeSys,
    clock: Clock,
    fd: Fd,
    onLine: (text: string, dropped: number) => void,
    onEnd: () => void,
    saved: SavedStderrPipe | null = null,
  ) {
    this.#sys = sys;
    this.#clock = clock;
    this.#fd = fd;
    this.#onLine = onLine;
    this.#onEnd = onEnd;
    this.#partial = textToBytes(saved?.partial ?? "");
    this.#windowStart = saved?.windowStart ?? clock.now();
    this.#lines = saved?.lines ?? 0;
    this.#dropped = saved?.dropped ?? 0;
    this.#watch = sys.watch(fd, () => this.#read());
    if (this.#dropped > 0) this.#pause();
    else this.#watch.start(READABLE);
  }

  save(carry: Carry): SavedStderrPipe {
    return {
      fd: carry(this.#fd),
      partial: bytesToText(this.#partial),
      windowStart: this.#windowStart,
      lines: this.#lines,
      dropped: this.#dropped,
    };
  }

  /** Takes what is there now, and closes, though writers may be left. */
  finish(): void {
    for (let left = pipeBytes; left > 0 && !this.#closed; left -= scratch.length) this.#read();
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#partial.length > 0) this.#line(Buffer.from(this.#partial).toString());
    this.#report();
    this.#watch.close();
    this.#sys.close(this.#fd);
  }

  #read(): void {
    let length: number | null;
    try {
      length = this.#sys.read(this.#fd, scratch);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      length = 0;
    }
    if (length === null) return;
    if (length === 0) {
      this.#close();
      this.#onEnd();
      return;
    }
    const bytes = Buffer.concat([this.#partial, scratch.subarray(0, length)]);
    const end = bytes.lastIndexOf(newline);
    // A copy: the rest of `bytes` is not to be kept with it.
    this.#partial = Uint8Array.from(bytes.subarray(end + 1, end + 1 + longestLineBytes));
    if (end >= 0) for (const line of bytes.toString("utf8", 0, end).split("\n")) this.#line(line);
    if (this.#dropped > 0) this.#pause();
  }

  #line(line: string): void {
    const now = this.#clock.now();
    if (now - this.#windowStart >= 1_000) {
      this.#report();
      this.#windowStart = now;
      this.#lines = 0;
    }
    this.#lines += 1;
    if (this.#lines > linesPerSecond) this.#dropped += 1;
    else if (line !== "") this.#onLine(line.slice(0, longestLine), 0);
  }

  #report(): void {
    if (this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#onLine("", dropped);
  }

  #pause(): void {
    this.#watch.stop();
    this.#clock.after(pauseMs, () => {
      if (this.#closed) return;
      this.#report();
      this.#watch.start(READABLE);
    });
  }
}
