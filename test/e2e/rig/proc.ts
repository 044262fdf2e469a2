/** What /proc says about a process: descriptors, memory, children. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

export interface Memory {
  residentKb: number;
  privateDirtyKb: number;
}

/** How many descriptors the process has open. */
export function descriptorCount(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** From /proc/PID/smaps_rollup, in KiB. */
export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const field = (name: string) => Number(text.match(new RegExp(`^${name}: *(\\d+) kB`, "m"))?.[1]);
  return { residentKb: field("Rss"), privateDirtyKb: field("Private_Dirty") };
}

/** The pids of all processes that descend from `pid`, zombies included. */
export function descendantsOf(pid: number): number[] {
  const children = readOrEmpty(`/proc/${pid}/task`, readdirSync).flatMap((task) =>
    readOrEmpty(`/proc/${pid}/task/${task}/children`, (path) =>
      readFileSync(path, "utf8").trim().split(/\s+/),
    ),
  );
  const pids = children.filter((child) => child !== "").map(Number);
  return pids.flatMap((child) => [child, ...descendantsOf(child)]);
}

/** Whether a process of that number runs. A zombie does not: who reaps an orphan, and when, is up to the machine. */
export function isAlive(pid: number): boolean {
  const [stat] = readOrEmpty(`/proc/${pid}/stat`, (path) => [readFileSync(path, "utf8")]);
  // The state is the field after the name, which stands in parentheses and may hold any of them itself.
  return stat !== undefined && stat.slice(stat.lastIndexOf(")")).split(" ")[1] !== "Z";
}

/**
 * Waits until `condition` holds. Only for what nothing announces: a process that is not our child going, a
 * descriptor being closed. Everything else has an event.
 * @throws after 20 seconds, with the words of `what`
 */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await delay(10);
  }
}

/** A process may go while it is looked at. */
function readOrEmpty(path: string, read: (path: string) => string[]): string[] {
  try {
    return read(path);
  } catch {
    return [];
  }
}
