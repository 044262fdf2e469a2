/**
 * Where events become lines: which of them (level, floods), how much of a client's address, in what form and to which
 * destination. The only door to pino.
 */
import { isDeepStrictEqual } from "node:util";
import pino from "pino";
import type { Clock, Timer } from "../util/clock.ts";
import { err, ok, type Result } from "../util/result.ts";
import { cleanFields } from "./clean.ts";
import { describe, levelOf } from "./describe.ts";
import { type Destination, type Entry, type LogLevel, logLevels, severityOf } from "./destination.ts";
import { type DatagramSys, Datagrams } from "./destinations/datagrams.ts";
import { encodeJournal, isJournalStream, journalSocket } from "./destinations/journal.ts";
import { Lines, openLogFile } from "./destinations/lines.ts";
import { encodeSyslog, syslogSocket } from "./destinations/syslog.ts";
import type { DaemonEvent, Emit } from "./events.ts";
import { describeSummary, FloodGate } from "./flood.ts";
import { Outlet } from "./outlet.ts";
import { prettyLine } from "./pretty.ts";
import { type AddressChoice, hidePeers } from "./privacy.ts";

export interface LogOptions {
  level: LogLevel;
  /** Of lines; the journal and syslog have forms of their own. */
  format: "json" | "pretty";
  colour: boolean;
  /** `file` is an absolute path, appended to. */
  destination: "stderr" | "journal" | "syslog" | { file: string };
  addresses: AddressChoice;
  /** $JOURNAL_STREAM. */
  journalStream: string | undefined;
}

export interface LogWorld {
  sys: DatagramSys;
  clock: Clock;
  /** Ours, which syslog has in every line. */
  pid: number;
  /** Where the journal and syslog listen, if not where they always do. */
  sockets?: { journal: string; syslog: string };
}

export interface LogLosses {
  destination: number;
  flood: number;
}

export interface Logger {
  emit: Emit;
  /** An exception that nobody expected: with its stack, for a report. */
  bug(error: unknown): void;
  /** What nobody was there to take when the logger was made; it may come. */
  readonly problem: string | null;
  /** Lines that were not written: the destination did not take them, or they were a flood and are summarised. */
  readonly losses: LogLosses;
  /** Closes and opens the file again, after it was rotated. */
  reopen(): void;
  /**
   * Logs in another way from now on. A destination that is the same as before is not touched; else the new one is opened
   * first, and what the old one has not taken yet still goes there.
   * @returns why all is as before, if so. At the start a receiver that is not there is waited for; here it is a reason.
   */
  configure(options: LogOptions): Result<null, string>;
  /**
   * Logs in another way from now on. A destination that has not changed stays open as it is; the one that was is closed
   * once the new one is there, and what it has not taken yet still goes to it.
   * @returns why nothing has changed, if so; a receiver that is not there is none, unlike at the start
   */
  configure(options: LogOptions): Result<null, string>;
  /** Waits until what is buffered has been written, or cannot be. @returns as `close` */
  flush(): Promise<boolean>;
  /**
   * The same, and nothing is logged any more.
   * @returns `false` if the destination takes nothing: then a thread of the pool may wait in write(2) for ever
   */
  close(): Promise<boolean>;
}

/** No text in a line is longer. A handler's lines are cut before (process/stderr.ts), a path of a socket has 108 bytes. */
const longestText = 2_000;

/** @returns why the file cannot be written to, if so */
export function createLogger(world: LogWorld, first: LogOptions): Result<Logger, string> {
  const { clock } = world;
  let options = first;
  const format = formatter(() => options);
  const opened = openDestination(world, first, format);
  if (!opened.ok) return opened;
  const { problem } = opened.value;
  const destination = new Outlet(opened.value.destination);
  const gate = new FloodGate();
  let timer: Timer | null = null;
  let closed = false;
  let suppressed = 0;

  const fitToLog = (event: DaemonEvent) => hidePeers(options.addresses, cleanFields(event, longestText));
  const summarise = () => {
    timer?.cancel();
    timer = null;
    for (const summary of gate.summaries(clock.now())) {
      const event = fitToLog(summary.event);
      destination.write({
        level: levelOf(event),
        fields: { ...event, suppressed: summary.suppressed },
        msg: describeSummary({ ...summary, event }),
      });
    }
  };
  return ok({
    emit(raised: DaemonEvent) {
      const level = levelOf(raised);
      if (closed || logLevels.indexOf(level) < logLevels.indexOf(options.level)) return;
      const now = clock.now();
      if (!gate.admit(raised, now)) {
        suppressed += 1;
        // Only while something is held back: a daemon with nothing to do does not wake up.
        if (gate.due !== null) timer ??= clock.after(gate.due - now, summarise);
        return;
      }
      const event = fitToLog(raised);
      destination.write({ level, fields: event, msg: describe(event) });
    },
    bug: (error) =>
      destination.write({ level: "error", fields: { err: error }, msg: `internal error: ${error}` }),
    problem,
    get losses() {
      return { destination: destination.lost, flood: suppressed };
    },
    reopen: () => destination.reopen(),
    configure(next) {
      if (!isDeepStrictEqual(next.destination, options.destination)) {
        const replacement = openDestination(world, next, format);
        if (!replacement.ok) return replacement;
        const { destination: other, problem: missing } = replacement.value;
        if (missing !== null) {
          void other.close();
          return err(missing);
        }
        destination.replace(other);
      }
      options = next;
      return ok(null);
    },
    flush: () => destination.flush(),
    close() {
      closed = true;
      summarise();
      return destination.close();
    },
  });
}

type Opened = Result<{ destination: Destination; problem: string | null }, string>;
type Format = (entry: Entry) => string;

function openDestination(
  { sys, clock, pid, sockets }: LogWorld,
  options: LogOptions,
  format: Format,
): Opened {
  switch (options.destination) {
    case "stderr": {
      const marked = isJournalStream(2, options.journalStream);
      const lines = new Lines({ fd: 2, path: null }, marked ? withSeverity(format) : format, clock);
      return ok({ destination: lines, problem: null });
    }
    case "journal":
      return ok(reach("the journal", sockets?.journal ?? journalSocket, encodeJournal));
    case "syslog":
      return ok(
        reach("syslog", sockets?.syslog ?? syslogSocket, (entry) => encodeSyslog(entry, clock.wall(), pid)),
      );
    default: {
      const { file } = options.destination;
      const target = openLogFile(file);
      if (!target.ok) return err(`cannot log to ${file}: ${target.error}`);
      return ok({ destination: new Lines(target.value, format, clock), problem: null });
    }
  }

  function reach(what: string, path: string, encode: (entry: Entry) => Uint8Array) {
    const destination = new Datagrams(sys, clock, path, encode);
    const code = destination.connect();
    return { destination, problem: code === null ? null : `cannot log to ${what}: ${path}: ${code}` };
  }
}

/** An entry as a line of JSON, or for people, as `options` say at that moment. */
function formatter(options: () => LogOptions): Format {
  let line = "";
  const logger = pino(
    {
      level: "trace",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      write(text: string) {
        line = text;
      },
    },
  );
  return ({ level, fields, msg }) => {
    logger[level](fields, msg);
    const { format, colour } = options();
    return format === "json" ? line : prettyLine(line, colour);
  };
}

function withSeverity(format: Format): Format {
  return (entry) => `<${severityOf(entry.level)}>${format(entry)}`;
}
