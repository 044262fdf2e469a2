/** Runs a daemon in this process until a signal ends it: what `run` and `serve` have in common. */
import { closeSync, openSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import type { Config, DaemonConfig, Problem } from "../config/config.ts";
import { Daemon } from "../daemon/daemon.ts";
import { keepHeapSmall } from "../daemon/heap.ts";
import { type PidFile, resumePidFile, writePidFile } from "../daemon/pidfile.ts";
import { handleSignals } from "../daemon/signals.ts";
import { keepCode } from "../daemon/upgrade/kept-code.ts";
import type { Program } from "../daemon/upgrade/program.ts";
import { rehearsalClock, rehearsalSys } from "../daemon/upgrade/rehearsal.ts";
import { createLogger, type LogOptions } from "../log/logger.ts";
import type { Sys } from "../native/sys.ts";
import { type InheritedSocket, readInheritance } from "../net/adopt.ts";
import type { Host } from "../process/machine.ts";
import { systemClock } from "../util/clock.ts";
import { ok, type Result } from "../util/result.ts";
import { type CliContext, type CliOption, CommandFailure, exitCode, type OptionValues } from "./command.ts";
import { isRelayed, leaveTerminal } from "./detach.ts";
import { answerCheck, type Takeover } from "./takeover.ts";

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

/** What a daemon is to be. */
export interface DaemonPlan {
  config: Config;
  /** Where to answer `tinetd status`; `null`: nowhere. */
  controlSocket: string | null;
  /** Reads the configuration again, for a reload. */
  loadConfig(): Result<Config, Problem[]>;
  /** In whose place it goes on; `null`: it starts. */
  taken: Takeover | null;
}

/** Resolves to the exit code when the daemon has ended. */
export async function runForeground(
  context: CliContext,
  options: OptionValues,
  plan: DaemonPlan,
): Promise<number> {
  const { config, controlSocket, loadConfig, taken } = plan;
  if (taken?.isCheck === true) return rehearse(context, plan, taken);
  const readyFd = taken === null ? readyDescriptor(options) : null;
  const sys = context.sys();
  const inherited = taken === null ? inheritedSockets(context, sys, config) : [];
  const created = createLogger(
    { sys, clock: systemClock, pid: process.pid },
    logOptions(context, config.daemon, options),
  );
  if (!created.ok) throw new CommandFailure(created.error);
  const logger = created.value;
  // Not by Node's stderr, whose opening changes flags that handlers share.
  if (logger.problem !== null) say(`tinetd: ${logger.problem}; lines are lost until it is there\n`);
  const pidFile = taken === null ? takePidFile(sys, context, options) : keptPidFile(sys, taken);
  const nothing = openSync("/dev/null", "r+");
  const daemon = new Daemon(
    {
      sys,
      clock: systemClock,
      emit: logger.emit,
      bug: logger.bug,
      logLosses: () => logger.losses,
      configureLog: (changed) => logger.configure(logOptions(context, changed, options)),
      ...identityOf(context, taken),
      inherited,
      nothing,
      controlSocket,
      loadConfig,
      pidFile,
      code: keepCode(sys, context.program.main),
      flushLog: () => logger.flush(),
      restored: taken === null ? null : { state: taken.state, claim: taken.luggage.claim },
    },
    config,
  );
  let failure: string | null = null;
  if (taken === null) {
    handleSignals({ daemon, logger });
    failure = await start(daemon, options);
  } else {
    daemon.restore(taken.configOf);
    handleSignals({ daemon, logger });
    taken.settle(sys, (event) => daemon.emit(event));
    await daemon.goOn();
  }
  if (failure === null && !daemon.isStopping) {
    if (isRelayed(context) && taken === null) {
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

/** Whose daemon it is, and how it was called. */
function identityOf(context: CliContext, taken: Takeover | null) {
  const { environment, version } = context;
  const host: Host = {
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    groups: process.getgroups?.() ?? [],
    environment,
  };
  const program: Program = { ...(taken?.program ?? programOf(context)), environment };
  return { host, pid: process.pid, version, program };
}

/** The trial of an upgrade: all is taken up as it would be, by hands that touch nothing. */
function rehearse(
  context: CliContext,
  { config, controlSocket, loadConfig }: DaemonPlan,
  taken: Takeover,
): number {
  const sys = rehearsalSys(context.sys());
  const pidFile = keptPidFile(sys, taken);
  const daemon = new Daemon(
    {
      sys,
      clock: rehearsalClock(systemClock),
      emit: () => {},
      bug: () => {},
      logLosses: () => ({ destination: 0, flood: 0 }),
      configureLog: () => ok(null),
      ...identityOf(context, taken),
      inherited: [],
      nothing: -1,
      controlSocket,
      loadConfig,
      pidFile,
      code: null,
      flushLog: async () => {},
      restored: { state: taken.state, claim: taken.luggage.claim },
    },
    config,
  );
  daemon.restore(taken.configOf);
  return answerCheck(context);
}

/** @returns why it does not run */
async function start(daemon: Daemon, { strict }: OptionValues): Promise<string | null> {
  const started = await daemon.start();
  if (!started.ok) return started.error;
  return strict === true && started.value.failed > 0 ? "not every listener could be bound (--strict)" : null;
}

function keptPidFile(sys: Sys, { state, luggage }: Takeover): PidFile | null {
  return state.pidFile === null ? null : resumePidFile(sys, state.pidFile, luggage.claim);
}

function programOf({ program: { file, argv }, workingDirectory }: CliContext): Omit<Program, "environment"> {
  return {
    node: process.execPath,
    nodeOptions: process.execArgv,
    file,
    argv,
    workingDirectory,
  };
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
