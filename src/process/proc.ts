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
  flags: 6,
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

/** Whether none of its threads runs nor will before it is woken: each was stopped by a signal, or has ended. */
export function isStopped(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) => {
      const stat = readOrNull(`/proc/${pid}/task/${thread}/stat`);
      return stat === null || "TtZX".includes(fieldsOf(stat)[field.state] ?? "");
    });
  } catch (error) {
    if (isSystemError(error) && (error.code === "ENOENT" || error.code === "ESRCH")) return true;
    throw error;
  }
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

/** All whom `isRoot` names and all who descend from them. Pure. */
export function treeOf(
  processes: readonly ProcessEntry[],
  isRoot: (entry: ProcessEntry) => boolean,
): ProcessEntry[] {
  const children = new Map<number, ProcessEntry[]>();
  for (const entry of processes) {
    const siblings = children.get(entry.parent);
    if (siblings === undefined) children.set(entry.parent, [entry]);
    else siblings.push(entry);
  }
  const tree = new Set<ProcessEntry>(processes.filter(isRoot));
  for (const entry of tree) for (const child of children.get(entry.pid) ?? []) tree.add(child);
  return [...tree];
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

/**
 * `NAME=value` as they were at its start, unless it has overwritten them; none if we may not read them. `null` if it
 * has no memory at this moment: it is about to execute another file, or it is ending, or has ended.
 */
export function environmentOf(pid: number): string[] | null {
  for (let tries = 0; tries < mostReads; tries++) {
    const text = read(`/proc/${pid}/environ`);
    if (text === "hidden") return [];
    if (text === "gone") return null;
    if (text.content !== "") return text.content.split("\0").filter(Boolean);
    const fields = fieldsOf(readOrNull(`/proc/${pid}/stat`) ?? "");
    if ((Number(fields[field.flags]) & exiting) !== 0) return null;
    if (fields[field.environmentEnd] !== "0") return [];
  }
  return null;
}

/** About a millisecond: longer than an exec mostly takes. */
const mostReads = 50;
/** PF_EXITING of linux/sched.h. */
const exiting = 4;

/** The path of its cgroup v2, as our own cgroup namespace shows it. */
export function cgroupOf(pid: number | "self"): string | null {
  return /^0::(\/.*)$/m.exec(readOrNull(`/proc/${pid}/cgroup`) ?? "")?.[1] ?? null;
}

function readOrNull(path: string): string | null {
  const text = read(path);
  return typeof text === "string" ? null : text.content;
}

/** @throws anything else, such as that no descriptor is left: a process that lives must not seem to be gone */
function read(path: string): { content: string } | "gone" | "hidden" {
  try {
    return { content: readFileSync(path, "latin1") };
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code === "ENOENT" || error.code === "ESRCH") return "gone";
    if (error.code === "EACCES" || error.code === "EPERM") return "hidden";
    throw error;
  }
}
