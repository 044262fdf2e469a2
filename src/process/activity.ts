/**
 * Whether a worker does anything at all, for sockets that have no connections to count: the context switches of all
 * its threads (proc_pid_status(5)). A program with a timer of its own is never at rest in this sense.
 */
import { readdirSync, readFileSync } from "node:fs";
import { listProcesses } from "./proc.ts";

/** Context switches so far of everything in the worker's session. Two equal numbers: nothing has run in between. */
export function contextSwitches(worker: number): number {
  const members = listProcesses().filter(({ pid, session }) => pid === worker || session === worker);
  return members.reduce((sum, { pid }) => sum + switchesOf(pid), 0);
}

function switchesOf(pid: number): number {
  return [...threadSwitches(pid).values()].reduce((sum, count) => sum + count, 0);
}

/** The same of each thread of a process, by its directory in /proc; nothing of a process that has ended. */
export function threadSwitches(pid: number): Map<string, number> {
  const switches = new Map<string, number>();
  for (const thread of entriesOf(`/proc/${pid}/task`)) {
    const directory = `/proc/${pid}/task/${thread}`;
    let sum = 0;
    for (const [, count] of read(`${directory}/status`).matchAll(/ctxt_switches:\s+(\d+)/g)) {
      sum += Number(count);
    }
    switches.set(directory, sum);
  }
  return switches;
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Empty for one that has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
