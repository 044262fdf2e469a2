/**
 * What is left of a process group after the handler that led it was reaped. Each member that is found is held by
 * pidfd, which tells its end; as long as one of them lives the group's number cannot be given to a stranger, and the
 * group can be signalled as a whole, which no member escapes by forking meanwhile.
 */
import { constants } from "node:os";
import type { Fd, Sys, Watch } from "../native/sys.ts";
import { READABLE } from "../native/sys.ts";
import type { Clock } from "../util/clock.ts";
import { insist } from "./insist.ts";
import { listProcesses, type ProcessEntry, readProcess } from "./proc.ts";
import { openProcess, send } from "./signal.ts";

/**
 * The living members of group `group`, whose leader of the same pid has been reaped. A process that has this pid now
 * is a stranger that got it after the group was empty: then nobody is left.
 */
export function membersOf(group: number, processes: readonly ProcessEntry[]): ProcessEntry[] {
  if (processes.some((entry) => entry.pid === group)) return [];
  return processes.filter((entry) => entry.group === group && !entry.zombie);
}

/** Whether the group has a member, dead ones not yet reaped included. One system call. */
export function groupExists(sys: Pick<Sys, "signalGroup">, group: number): boolean {
  return send(() => sys.signalGroup(group, 0)) !== "gone";
}

/** Members may end before they can be held, and leave others: so often it is tried at once, and later again. */
const triesAtOnce = 10;
const retryMs = 10;

export class Survivors {
  readonly #sys: Sys;
  readonly #clock: Clock;
  readonly #group: number;
  readonly #find: (processes: ProcessEntry[]) => ProcessEntry[];
  readonly #held = new Map<number, { pidfd: Fd; watch: Watch }>();
  /** Those that we may not signal: nothing can be done about them. */
  readonly #denied = new Set<number>();
  #onGone: (() => void) | null = null;
  #killing = false;

  /** @param find which of all processes are meant; default: all members of the group */
  constructor(
    sys: Sys,
    clock: Clock,
    group: number,
    find = (processes: ProcessEntry[]) => membersOf(group, processes),
  ) {
    this.#sys = sys;
    this.#clock = clock;
    this.#group = group;
    this.#find = find;
  }

  /** Looks who is left. `onGone` is called once, when nobody is: perhaps before this returns. */
  watch(onGone: () => void): void {
    this.#onGone = onGone;
    insist(this.#clock, () => this.#look());
  }

  signal(signals: readonly number[]): void {
    insist(this.#clock, () => {
      for (const signal of signals) this.#signalGroup(signal);
    });
  }

  /** SIGKILL to all that are left, and to what they may still start meanwhile. */
  kill(): void {
    this.#killing = true;
    insist(this.#clock, () => {
      this.#killHeld();
      if (this.#held.size === 0) this.#look();
    });
  }

  #look(): void {
    for (let tries = 0; tries < triesAtOnce; tries++) {
      if (this.#onGone === null) return;
      // Asking for the group costs one system call; only a group that still exists is worth a scan.
      const members = groupExists(this.#sys, this.#group) ? this.#find(listProcesses()) : [];
      const meant = members.filter(({ pid }) => !this.#denied.has(pid));
      for (const entry of meant) this.#hold(entry);
      if (this.#killing) this.#killHeld();
      if (this.#held.size > 0) return;
      if (meant.length === 0) {
        const onGone = this.#onGone;
        this.#onGone = null;
        onGone();
      }
    }
    this.#clock.after(retryMs, () => insist(this.#clock, () => this.#look()));
  }

  #hold(entry: ProcessEntry): void {
    if (this.#held.has(entry.pid)) return;
    const pidfd = openProcess(this.#sys, entry.pid);
    if (pidfd === null) return;
    if (readProcess(entry.pid)?.startTime !== entry.startTime) {
      this.#sys.close(pidfd);
      return;
    }
    const watch = this.#sys.watch(pidfd, () => {
      this.#release(entry.pid);
      // The last one known may have left children behind that were started since we looked.
      if (this.#held.size === 0) insist(this.#clock, () => this.#look());
    });
    watch.start(READABLE);
    this.#held.set(entry.pid, { pidfd, watch });
  }

  #killHeld(): void {
    this.#signalGroup(constants.signals.SIGKILL);
    for (const [pid, { pidfd }] of this.#held) {
      if (send(() => this.#sys.signalProcess(pidfd, constants.signals.SIGKILL)) !== "denied") continue;
      this.#denied.add(pid);
      this.#release(pid);
    }
  }

  /** All at once, and only while one of those that we hold is in the group: else the number may be a stranger's. */
  #signalGroup(signal: number): void {
    if (![...this.#held.keys()].some((pid) => readProcess(pid)?.group === this.#group)) return;
    send(() => this.#sys.signalGroup(this.#group, signal));
  }

  #release(pid: number): void {
    const member = this.#held.get(pid);
    if (member === undefined) return;
    this.#held.delete(pid);
    member.watch.close();
    this.#sys.close(member.pidfd);
  }
}
