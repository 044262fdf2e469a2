/** What the kernel has counted for a process. */
import { readdirSync, readFileSync } from "node:fs";

export interface Usage {
  /** How often one of its threads was put on a processor: of its own accord or after it had been taken off. */
  switches: number;
  /** Processor time of all its threads. */
  cpuNs: number;
}

/** Of all threads that live now: a process whose threads come and go is told too little of. */
export function usageOf(pid: number): Usage {
  const usage = { switches: 0, cpuNs: 0 };
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const place = `/proc/${pid}/task/${thread}`;
    const status = readFileSync(`${place}/status`, "utf8");
    for (const [, count] of status.matchAll(/ctxt_switches:\s+(\d+)/g)) usage.switches += Number(count);
    usage.cpuNs += Number(readFileSync(`${place}/schedstat`, "utf8").split(" ")[0]);
  }
  return usage;
}

export interface Memory {
  residentKb: number;
  privateDirtyKb: number;
}

/** From /proc/PID/smaps_rollup. */
export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const field = (name: string) => Number(new RegExp(`^${name}: *(\\d+) kB`, "m").exec(text)?.[1]);
  return { residentKb: field("Rss"), privateDirtyKb: field("Private_Dirty") };
}
