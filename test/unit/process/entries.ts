/** Processes as the tests of this folder put them together. */
import type { ProcessEntry } from "../../../src/process/proc.ts";

/** A process in a session and a group of its own, started in the order of the numbers. */
export function entry(pid: number, parent: number, changes: Partial<ProcessEntry> = {}): ProcessEntry {
  return { pid, parent, group: pid, session: pid, startTime: pid, zombie: false, ...changes };
}
