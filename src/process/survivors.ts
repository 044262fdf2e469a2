/**
 * What is left of a handler's process group after the handler itself has ended while we were stopping it: found once,
 * then held by pidfd, so that a signal can never reach a stranger that got one of their pids.
 */

import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import type { Fd, Sys, Watch } from "../native/sys.ts";
import { isSystemError, READABLE } from "../native/sys.ts";

/** One line of /proc/PID/stat, as far as it matters here (proc_pid_stat(5)). */
export interface ProcessEntry {
  pid: number;
  parent: number;
  group: number;
  session: number;
  zombie: boolean;
}

/** `null` for a line that is not one. The name in the second field may hold spaces and parentheses. */
export function parseStat(stat: string): ProcessEntry | null {
  const close = stat.lastIndexOf(")");
  const pid = Number.parseInt(stat, 10);
  const [state, parent, group, session] = stat.slice(close + 2).split(" ", 4);
  if (close < 0 || Number.isNaN(pid) || session === undefined) return null;
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    zombie: state === "Z" || state === "X",
  };
}

/** All processes of the machine: a scan, for the rare moment when something was left over. */
export function listProcesses(): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const entry = parseStat(readFileSync(`/proc/${name}/stat`, "latin1"));
      if (entry !== null) entries.push(entry);
    } catch {
      // It ended between the two reads.
    }
  }
  return entries;
}

/**
 * The living members of group `group`, whose leader of the same pid has been reaped. A process that has this pid now
 * is a stranger that got it after the group was empty: then nobody is left.
 */
export function membersOf(group: number, processes: readonly ProcessEntry[]): number[] {
  if (processes.some((entry) => entry.pid === group)) return [];
  return processes.filter((entry) => entry.group === group && !entry.zombie).map((entry) => entry.pid);
}

export class Survivors {
  readonly #sys: Sys;
  readonly #group: number;
  readonly #onGone: () => void;
  readonly #held = new Map<number, { pidfd: Fd; watch: Watch }>();
  #killing = false;

  /** @param onGone called once nobody is left, if `look` found somebody */
  constructor(sys: Sys, group: number, onGone: () => void) {
    this.#sys = sys;
    this.#group = group;
    this.#onGone = onGone;
  }

  /** `false`: nobody is left, and `onGone` will not be called. */
  look(): boolean {
    // Asking for the group costs one system call; only a group that still exists is worth a scan.
    if (!this.#sys.signalGroup(this.#group, 0)) return false;
    for (const pid of membersOf(this.#group, listProcesses())) this.#hold(pid);
    return this.#held.size > 0;
  }

  /** SIGKILL to all that are left, and to what they may still start meanwhile. */
  kill(): void {
    this.#killing = true;
    for (const { pidfd } of this.#held.values()) this.#sys.signalProcess(pidfd, constants.signals.SIGKILL);
  }

  #hold(pid: number): void {
    if (this.#held.has(pid)) return;
    let pidfd: Fd;
    try {
      pidfd = this.#sys.pidfdOpen(pid);
    } catch (error) {
      if (isSystemError(error) && error.code === "ESRCH") return;
      throw error;
    }
    const watch = this.#sys.watch(pidfd, () => this.#ended(pid));
    watch.start(READABLE);
    this.#held.set(pid, { pidfd, watch });
    if (this.#killing) this.#sys.signalProcess(pidfd, constants.signals.SIGKILL);
  }

  #ended(pid: number): void {
    const member = this.#held.get(pid);
    if (member === undefined) return;
    this.#held.delete(pid);
    member.watch.close();
    this.#sys.close(member.pidfd);
    // The last one known may have left children behind that were started since we looked.
    if (this.#held.size === 0 && !this.look()) this.#onGone();
  }
}
