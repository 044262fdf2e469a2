/** The two ways in which a tree is reached, each as a daemon that can do no other. */
import { readFileSync } from "node:fs";
import { startDaemon } from "../rig/daemon.ts";
import { asRoot, type Need, program } from "../rig/needs.ts";
import type { Rig } from "../rig/rig.ts";

export interface Mechanism {
  name: "cgroup" | "descent";
  needs: readonly Need[];
  /** What starts such a daemon (`RigOptions`). */
  launcher: readonly string[];
  start(text: (brood: string) => string): Promise<Rig>;
}

/** A place of cgroup v2 that is ours: for root, unless systemd runs this machine or the kernel is older than 5.14. */
const ownCgroup: Need = () => {
  const mount = cgroupMount();
  if (mount === null) return "a cgroup v2";
  return asRoot();
};

/** Where cgroup v2 is mounted. */
export function cgroupMount(): string | null {
  return /^\S+ (\S+) cgroup2 rw/m.exec(readFileSync("/proc/self/mounts", "utf8"))?.[1] ?? null;
}

/** Runs what follows where no cgroup v2 is mounted. */
const withoutCgroups = ["unshare", "--mount", "sh", "-c", 'umount -a -t cgroup2; exec "$@"', "sh"];

function startWith(launcher: readonly string[]): Mechanism["start"] {
  return (text) => startDaemon(({ fixture }) => text(fixture("brood")), { launcher });
}

export const mechanisms: readonly Mechanism[] = [
  { name: "cgroup", needs: [ownCgroup], launcher: [], start: startWith([]) },
  {
    name: "descent",
    needs: [asRoot, program("unshare")],
    launcher: withoutCgroups,
    start: startWith(withoutCgroups),
  },
];

/** The cgroup v2 of a process, as /proc has it. */
export function cgroupOf(pid: number): string | undefined {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1];
}
