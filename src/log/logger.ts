/**
 * The only door to pino. Lines are written by a thread of the pool from a bounded buffer: a destination that is slow
 * or full makes lines drop, counted, and never makes the daemon wait.
 */
import pino from "pino";
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
  /** Writes what is buffered, waiting for it: for the end of the process only. */
  flush(): void;
}

/** Lines that wait for a stalled destination take at most this much memory; the rest is dropped and counted. */
const mostBufferedBytes = 1024 * 1024;

export function createLogger(options: LogOptions): Logger {
  const destination = pino.destination({
    dest: options.destination === "stderr" ? 2 : options.destination,
    append: true,
    mkdir: false,
    mode: 0o640,
    sync: false,
    minLength: 0,
    maxLength: mostBufferedBytes,
  });
  let dropped = 0;
  destination.on("drop", () => {
    dropped += 1;
  });
  // A destination that fails (a closed pipe, a full disk) must not end the daemon: what could not be written is lost.
  destination.on("error", () => {
    dropped += 1;
  });
  const stream =
    options.format === "json"
      ? destination
      : { write: (line: string) => destination.write(prettyLine(line, options.colour)) };
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream as pino.DestinationStream,
  );
  return {
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
    flush: () => {
      try {
        destination.flushSync();
      } catch {
        // Nothing is left to tell it to.
      }
    },
  };
}
