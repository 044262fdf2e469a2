/**
 * What proc(5) says about processes. Any of them may end while it is looked at: then it is not there, which is never
 * an error. A pid and its start time together name one process for good; a pid alone may be given anew.
 */
import { readdirSync, readFileSync } from "node:fs";
import { isSystemError } from "../native/sys.ts";

/** One line of /proc/PID/stat, as far as it matters here (proc_pid_stat(5)). */
export interface ProcessEntry {
  pid: number;
  parent: number;
  group: number;
  session: number;
  /** In clock ticks since boot. */
  startTime: number;
  /** It has ended, all its threads have, and waits to be reaped. */
  zombie: boolean;
}

/** Positions in what follows the name; the manual counts from 1 and the name is 2. */
const field = {
  state: 0,
  parent: 1,
  group: 2,
  session: 3,
  threads: 17,
  startTime: 19,
  environmentEnd: 48,
} as const;

/** `null` for a line that is not one. The name in the second field may hold spaces and parentheses. */
export function parseStat(stat: string): ProcessEntry | null {
  const pid = Number.parseInt(stat, 10);
  const fields = fieldsOf(stat);
  const number = (index: number) => Number(fields[index]);
  const startTime = number(field.startTime);
  if (Number.isNaN(pid) || Number.isNaN(startTime)) return null;
  const state = fields[field.state];
  return {
    pid,
    parent: number(field.parent),
    group: number(field.group),
    session: number(field.session),
    startTime,
    // A first thread that has ended is shown as a zombie while others of the process run.
    zombie: (state === "Z" || state === "X") && number(field.threads) <= 1,
  };
}

function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

export function readProcess(pid: number): ProcessEntry | null {
  const stat = readOrNull(`/proc/${pid}/stat`);
  return stat === null ? null : parseStat(stat);
}

/** All processes of the machine: a scan of milliseconds, for the rare moment when something was left over. */
export function listProcesses(): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const name of readdirSync("/proc")) {
    const entry = /^\d+$/.test(name) ? readProcess(Number(name)) : null;
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

/**
 * The pids of our children, zombies included. No child is missed although the manual warns of it: only one that is
 * reaped meanwhile could hide another, and nobody but we reap them.
 */
export function ownChildren(): number[] {
  // What our handlers leave behind is given to our first thread, which runs this and which starts them.
  const text = readOrNull("/proc/thread-self/children");
  if (text !== null) return text.split(" ").filter(Boolean).map(Number);
  // A kernel without CONFIG_PROC_CHILDREN.
  return listProcesses().flatMap(({ pid, parent }) => (parent === process.pid ? [pid] : []));
}

/** `NAME=value` as they were at its start, unless it has overwritten them. None if we may not read them. */
export function environmentOf(pid: number): string[] {
  let text = readOrNull(`/proc/${pid}/environ`);
  for (let tries = 1; text === "" && tries < mostReads && isExecuting(pid); tries++) {
    text = readOrNull(`/proc/${pid}/environ`);
  }
  return (text ?? "").split("\0").filter(Boolean);
}

/** About a millisecond. */
const mostReads = 50;

/** Whether it is about to execute a file: the old environment has gone then, and the new one is not there yet. */
function isExecuting(pid: number): boolean {
  const stat = readOrNull(`/proc/${pid}/stat`) ?? "";
  return parseStat(stat)?.zombie === false && fieldsOf(stat)[field.environmentEnd] === "0";
}

/** The path of its cgroup v2, as our own cgroup namespace shows it. */
export function cgroupOf(pid: number | "self"): string | null {
  return /^0::(\/.*)$/m.exec(readOrNull(`/proc/${pid}/cgroup`) ?? "")?.[1] ?? null;
}

/** That it has gone, or is hidden from us. Anything else, such as no descriptor left, would make a living one vanish. */
const absent = new Set(["ENOENT", "ESRCH", "EACCES", "EPERM"]);

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (isSystemError(error) && absent.has(error.code)) return null;
    throw error;
  }
}
