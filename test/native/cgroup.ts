/** A cgroup v2 for one test. */
import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

export interface TestCgroup extends Disposable {
  /** Its directory. */
  path: string;
  /** As /proc/PID/cgroup shows it. */
  name: string;
}

/** One below ours, or `null` where there is no version 2 hierarchy or it is not ours to write to. */
export function makeCgroup(): TestCgroup | null {
  const mount = readFileSync("/proc/self/mounts", "utf8").match(/^\S+ (\S+) cgroup2 /m)?.[1];
  const own = readFileSync("/proc/self/cgroup", "utf8").match(/^0::(.*)$/m)?.[1];
  if (mount === undefined || own === undefined) return null;
  const name = join(own, `tinetd-test-${process.pid}`);
  const path = join(mount, name);
  try {
    mkdirSync(path);
  } catch {
    return null;
  }
  return { path, name, [Symbol.dispose]: () => rmdirSync(path) };
}

/** The directory of a process's own, or `null` where it cannot be seen or is the root, which has no state. */
export function cgroupDirectory(pid: number): string | null {
  const mount = readFileSync("/proc/self/mounts", "utf8").match(/^\S+ (\S+) cgroup2 /m)?.[1];
  const name = readFileSync(`/proc/${pid}/cgroup`, "utf8").match(/^0::(.*)$/m)?.[1];
  return mount === undefined || name === undefined || name === "/" ? null : join(mount, name);
}
