/** Runs a daemon in this process until a signal ends it: what `run` and `serve` have in common. */
import { closeSync, openSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import type { Config, DaemonConfig, Problem } from "../config/config.ts";
import { Daemon } from "../daemon/daemon.ts";
import { keepHeapSmall } from "../daemon/heap.ts";
import { type PidFile, writePidFile } from "../daemon/pidfile.ts";
import { handleSignals } from "../daemon/signals.ts";
import { createLogger, type LogOptions } from "../log/logger.ts";
import type { Sys } from "../native/sys.ts";
import { type InheritedSocket, readInheritance } from "../net/adopt.ts";
import { systemClock } from "../util/clock.ts";
import type { Result } from "../util/result.ts";
import { type CliContext, type CliOption, CommandFailure, exitCode, type OptionValues } from "./command.ts";
import { isRelayed, leaveTerminal } from "./detach.ts";

export const daemonOptions: readonly CliOption[] = [
  { flags: "--ready-fd <n>", description: "write a newline to this descriptor when ready, and close it" },
  {
    flags: "--log-level <level>",
    description: "least important lines to log, instead of daemon.log.level",
    choices: ["trace", "debug", "info", "warn", "error", "fatal"],
  },
  {
    flags: "--log-format <format>",
    description: "json, or pretty for people, instead of daemon.log.format",
    choices: ["json", "pretty"],
  },
  { flags: "--strict", description: "any listener that cannot be bound is fatal" },
];

/**
 * Resolves to the exit code when the daemon has ended.
 * @param controlSocket where to answer `tinetd status`; `null`: nowhere
 * @param loadConfig reads the configuration again, for a reload
 */
export async function runForeground(
  context: CliContext,
  config: Config,
  options: OptionValues,
  controlSocket: string | null,
  loadConfig: () => Result<Config, Problem[]>,
): Promise<number> {
  const readyFd = readyDescriptor(options);
  const sys = context.sys();
  const inherited = inheritedSockets(context, sys, config);
  const created = createLogger(
    { sys, clock: systemClock, pid: process.pid },
    logOptions(context, config.daemon, options),
  );
  if (!created.ok) throw new CommandFailure(created.error);
  const logger = created.value;
  // Not by Node's stderr, whose opening changes flags that handlers share.
  if (logger.problem !== null) say(`tinetd: ${logger.problem}; lines are lost until it is there\n`);
  const pidFile = takePidFile(sys, context, options);
  const nothing = openSync("/dev/null", "r+");
  const daemon = new Daemon(
    {
      sys,
      clock: systemClock,
      emit: logger.emit,
      logLosses: () => logger.losses,
      configureLog: (changed) => logger.configure(logOptions(context, changed, options)),
      host: {
        uid: process.geteuid?.() ?? 0,
        gid: process.getegid?.() ?? 0,
        groups: process.getgroups?.() ?? [],
        environment: context.environment,
      },
      pid: process.pid,
      version: context.version,
      inherited,
      nothing,
      controlSocket,
      loadConfig,
    },
    config,
  );
  handleSignals({ daemon, logger, emit: logger.emit });
  const started = await daemon.start();
  let failure = started.ok
    ? options.strict === true && started.value.failed > 0
      ? "not every listener could be bound (--strict)"
      : null
    : started.error;
  if (failure === null && !daemon.isStopping) {
    if (isRelayed(context)) {
      await logger.flush();
      leaveTerminal(sys, nothing);
    }
    failure = readyFd === null ? null : tellReady(readyFd);
    // Not before: the start should not be held up by cleaning.
    keepHeapSmall();
  }
  if (failure === null) await daemon.ended;
  else await daemon.stop(failure);
  pidFile?.remove();
  // Nobody reads the log, but a thread waits to write to it: exit(3) would wait for that thread for ever.
  if (!(await logger.close())) process.kill(process.pid, "SIGKILL");
  if (failure !== null) throw new CommandFailure(failure);
  return exitCode.done;
}

/** Looked at first of all, before a descriptor of our own could be taken for one that was given. */
function inheritedSockets(context: CliContext, sys: Sys, config: Config): InheritedSocket[] {
  const endpoints = [...config.services.values()].flatMap(({ listeners }) =>
    listeners.map(({ endpoint }) => endpoint),
  );
  const numbers = endpoints.flatMap((endpoint) => (endpoint.kind === "fd" ? [endpoint.fd] : []));
  const { sockets, problems } = readInheritance(sys, context.environment, process.pid, numbers);
  for (const problem of problems) context.stderr.write(`tinetd: ${problem}\n`);
  return sockets;
}

/** Taken before anything is bound: a second daemon must not disturb the first. */
function takePidFile(sys: Sys, { workingDirectory }: CliContext, { pidFile }: OptionValues): PidFile | null {
  if (typeof pidFile !== "string") return null;
  const written = writePidFile(sys, resolve(workingDirectory, pidFile), process.pid);
  if (!written.ok) throw new CommandFailure(written.error);
  return written.value;
}

function readyDescriptor({ readyFd }: OptionValues): number | null {
  if (typeof readyFd !== "string") return null;
  const fd = Number(readyFd);
  if (!/^\d+$/.test(readyFd) || fd > 65_535) {
    throw new CommandFailure(
      `--ready-fd: expected the number of a descriptor, not "${readyFd}"`,
      exitCode.usage,
    );
  }
  return fd;
}

/** To stderr, if there is one. */
function say(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // Nobody is there to be told.
  }
}

/** @returns why that is not possible, or `null` */
function tellReady(fd: number): string | null {
  try {
    writeSync(fd, "\n");
    closeSync(fd);
    return null;
  } catch (error) {
    return `--ready-fd ${fd}: ${(error as NodeJS.ErrnoException).code}`;
  }
}

/** What stands on the command line counts, whatever a reload says. */
function logOptions(context: CliContext, { log }: DaemonConfig, options: OptionValues): LogOptions {
  const { level, format, destination, addresses } = log;
  const chosen = typeof options.logFormat === "string" ? options.logFormat : format;
  return {
    level: (typeof options.logLevel === "string" ? options.logLevel : level) as LogOptions["level"],
    format: chosen === "pretty" ? "pretty" : "json",
    destination,
    addresses,
    colour: destination === "stderr" && context.stderrIsTerminal && !context.environment.NO_COLOR,
    journalStream: context.environment.JOURNAL_STREAM,
  };
}
