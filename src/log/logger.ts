/**
 * The only door to pino. Lines are written by a thread of the pool from a bounded buffer: a destination that is slow
 * or full makes lines drop, counted, and never makes the daemon wait.
 */
import { closeSync, openSync } from "node:fs";
import pino from "pino";
import { err, ok, type Result } from "../util/result.ts";
import { describe, levelOf } from "./describe.ts";
import type { DaemonEvent, Emit } from "./events.ts";
import { prettyLine } from "./pretty.ts";

export interface LogOptions {
  level: "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";
  format: "json" | "pretty";
  /** `"stderr"` or the absolute path of a file that is appended to. */
  destination: string;
  colour: boolean;
}

export interface Logger {
  emit: Emit;
  /** An exception that nobody expected: with its stack, for a report. */
  bug(error: unknown): void;
  /** Closes and opens the file again, after it was rotated. */
  reopen(): void;
  /** Waits until what is buffered has been written, or cannot be. @returns as `close` */
  flush(): Promise<boolean>;
  /**
   * The same, and nothing is logged any more.
   * @returns `false` if the destination takes nothing: then a thread of the pool may wait in write(2) for ever
   */
  close(): Promise<boolean>;
}

/** Lines that wait for a stalled destination take at most this much memory; the rest is dropped and counted. */
const mostBufferedBytes = 1024 * 1024;

const closeTimeoutMs = 1_000;
const fileMode = 0o640;

/** @returns why the file cannot be written to, if so */
export function createLogger(options: LogOptions): Result<Logger, string> {
  // Tried here, because the destination opens it later and would tell nobody.
  const problem = options.destination === "stderr" ? null : openProblem(options.destination);
  if (problem !== null) return err(`cannot log to ${options.destination}: ${problem}`);
  const destination = pino.destination({
    dest: options.destination === "stderr" ? 2 : options.destination,
    append: true,
    mkdir: false,
    mode: fileMode,
    sync: false,
    minLength: 0,
    maxLength: mostBufferedBytes,
  });
  let dropped = 0;
  /** Something is on its way to the destination. */
  let writing = false;
  /** Nobody reads it any more, or we have closed it. */
  let closed = false;
  destination.on("drop", () => {
    dropped += 1;
  });
  // A destination that fails (a closed pipe, a full disk) must not end the daemon: what could not be written is lost.
  destination.on("error", (error: NodeJS.ErrnoException) => {
    dropped += 1;
    writing = false;
    closed ||= error.code === "EPIPE";
  });
  destination.on("drain", () => {
    writing = false;
  });
  const stream = {
    write(line: string) {
      if (closed) return;
      writing = true;
      destination.write(options.format === "json" ? line : prettyLine(line, options.colour));
    },
  };
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  const flush = async () => !writing || (await settled(destination));
  return ok({
    emit(event: DaemonEvent) {
      const level = levelOf(event);
      if (!logger.isLevelEnabled(level)) return;
      logger[level](event, describe(event));
      if (dropped > 0) {
        const count = dropped;
        dropped = 0;
        logger.warn({ dropped: count }, `${count} log lines dropped: the destination does not keep up`);
      }
    },
    bug: (error) => logger.error({ err: error }, `internal error: ${String(error)}`),
    reopen: () => {
      if (options.destination !== "stderr") destination.reopen();
    },
    flush,
    async close() {
      const written = await flush();
      closed = true;
      // Or pino would flush it at exit, which tries again for ever, also where nobody is left to read.
      destination.destroy();
      return written;
    },
  });
}

function openProblem(path: string): string | null {
  try {
    closeSync(openSync(path, "a", fileMode));
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** Resolves when all is written or a write has failed, with `false` when neither happens. */
function settled(destination: SonicBoom): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), closeTimeoutMs);
    const done = () => {
      clearTimeout(timer);
      resolve(true);
    };
    destination.once("drain", done).once("error", done);
  });
}

type SonicBoom = ReturnType<typeof pino.destination>;
