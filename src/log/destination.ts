/**
 * What every destination of the log is to the logger. None makes the daemon wait: each holds at most
 * `mostBufferedBytes` of what a slow receiver has not taken yet, drops what is beyond, counts it, and says how much that
 * was as soon as something goes through again.
 */

/** The levels of `daemon.log.level`, the least important first. */
export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
export type LogLevel = (typeof logLevels)[number];

export type Fields = Readonly<Record<string, unknown>>;

export interface Entry {
  level: LogLevel;
  fields: Fields;
  /** The sentence; one line. */
  msg: string;
}

export interface Destination {
  /** Takes an entry, or drops and counts it. Never throws. */
  write(entry: Entry): void;
  /** How many entries it has dropped since it exists. */
  readonly lost: number;
  /** Opens a file again by its name, after it was rotated; nothing for the others. */
  reopen(): void;
  /**
   * Waits until all has been taken, or cannot be, for a second at most.
   * @returns `false` if a thread of the pool still waits in write(2), perhaps for ever
   */
  flush(): Promise<boolean>;
  /** The same, and nothing is taken any more. */
  close(): Promise<boolean>;
}

export const mostBufferedBytes = 1024 * 1024;

/** How long `flush` and `close` wait for a receiver that takes nothing. */
export const flushTimeoutMs = 1_000;

/** What is said of lines that were lost, whatever the level. */
export function lossNotice(count: number): Entry {
  return {
    level: "warn",
    fields: { dropped: count },
    msg: `${count} log ${count === 1 ? "line" : "lines"} dropped: the destination does not keep up, or takes nothing`,
  };
}

/** Severity of syslog(3), which the journal's PRIORITY uses too. */
export function severityOf(level: LogLevel): number {
  switch (level) {
    case "trace":
    case "debug":
      return 7;
    case "info":
      return 6;
    case "warn":
      return 4;
    case "error":
      return 3;
    case "fatal":
      return 2;
  }
}
