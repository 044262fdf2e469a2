/** What handlers have used of the machine so far (proc_pid_stat(5), proc_pid_status(5)): one look at /proc for all. */
import { readFileSync } from "node:fs";
import { listProcesses } from "./proc.ts";

export interface Usage {
  /** Processor time, in milliseconds. */
  cpuMs: number;
  /** Resident memory; what several processes share is counted for each. */
  memoryBytes: number;
}

/** The kernel counts processor time in these units for user space, on every architecture (USER_HZ). */
const msPerTick = 10;

/** Of the whole session of each of `pids`, which lead theirs. One that has ended is not in the answer. */
export function usageOf(pids: Iterable<number>): Map<number, Usage> {
  const usage = new Map<number, Usage>([...pids].map((pid) => [pid, { cpuMs: 0, memoryBytes: 0 }]));
  if (usage.size === 0) return usage;
  const seen = new Set<number>();
  for (const { pid, session } of listProcesses()) {
    const sum = usage.get(session);
    const own = sum === undefined ? null : read(pid);
    if (sum === undefined || own === null) continue;
    seen.add(session);
    sum.cpuMs += own.cpuMs;
    sum.memoryBytes += own.memoryBytes;
  }
  for (const pid of usage.keys()) if (!seen.has(pid)) usage.delete(pid);
  return usage;
}

/** `null` if it has ended meanwhile. */
function read(pid: number): Usage | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    // The name in the second field may hold anything; the third is the first after it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    // Absent of a zombie.
    const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    return { cpuMs: ticks * msPerTick, memoryBytes: kilobytes * 1024 };
  } catch {
    return null;
  }
}
