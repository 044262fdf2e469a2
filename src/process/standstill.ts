/**
 * Freezing without a cgroup: SIGSTOP to every process that is meant, and the wait until each of them really stands
 * still, since a signal is heeded by each thread in its own time. Who forks before it comes to that has a child that has
 * not got the signal: so it is looked for all of them once more when those that are known stand still, until that finds
 * nobody who moves.
 *
 * A parent may learn of this (SIGCHLD, waitpid with WUNTRACED), as with job control; a cgroup does without.
 */
import { constants } from "node:os";
import type { Sys } from "../native/sys.ts";
import { isSystemError } from "../native/sys.ts";
import { isShortage } from "../net/accept.ts";
import type { Clock, Timer } from "../util/clock.ts";
import { awaken } from "./awakening.ts";
import { insist } from "./insist.ts";
import { isStopped, type ProcessEntry, readProcess } from "./proc.ts";
import { signalByPid } from "./signal.ts";

const { SIGSTOP, SIGCONT } = constants.signals;

/** Between two looks; the first are closer, for most stop at once. */
const shortestPauseMs = 1;
const longestPauseMs = 20;

/** Whom it has stopped: pid and start time. A freeze that is under way is asked for anew. */
export type SavedStandstill = [pid: number, startTime: number][];

export class Standstill {
  readonly #sys: Sys;
  readonly #clock: Clock;
  readonly #members: () => readonly ProcessEntry[];
  /** Whom we have stopped: who stood still before stays so. Pid to start time. */
  readonly #stopped = new Map<number, number>();
  #timer: Timer | null = null;

  /**
   * @param members all who are meant, as they are now
   * @param stopped whom another process image of ours has stopped
   */
  constructor(sys: Sys, clock: Clock, members: () => readonly ProcessEntry[], stopped: SavedStandstill = []) {
    this.#sys = sys;
    this.#clock = clock;
    this.#members = members;
    for (const [pid, startTime] of stopped) this.#stopped.set(pid, startTime);
  }

  save(): SavedStandstill {
    return [...this.#stopped];
  }

  /** See `Reach.freeze`. */
  freeze(done: (frozen: boolean) => void): void {
    this.#look(shortestPauseMs, done);
  }

  /** Those that were stopped go on, and none is stopped any more. */
  thaw(): void {
    const woken = [...this.#stopped];
    this.giveUp();
    this.#stopped.clear();
    for (const [pid, startTime] of woken) {
      insist(this.#clock, () => void this.#signal(pid, startTime, SIGCONT));
    }
  }

  /** Calls back when they are awake: at once if they were not frozen, and else soon after they were thawed. */
  awaken(awake: () => void): void {
    if (this.#stopped.size === 0) awake();
    else awaken(this.#clock, [...this.#stopped.keys()], () => this.thaw(), awake);
  }

  /** Looks no further for those who are not quite frozen: the handler has ended. */
  giveUp(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #look(pauseMs: number, done: (frozen: boolean) => void): void {
    this.#timer = null;
    const outcome = this.#stopAll();
    if (outcome === "moving") {
      this.#timer = this.#clock.after(pauseMs, () => this.#look(Math.min(longestPauseMs, pauseMs * 2), done));
    } else done(outcome === "still");
  }

  /** Finding them may be a look through all processes of the machine; whether those that are known stand still is not. */
  #stopAll(): "still" | "moving" | "impossible" {
    try {
      if (![...this.#stopped.keys()].every(isStopped)) return "moving";
      const moving = this.#members().filter(({ pid, zombie }) => !zombie && !isStopped(pid));
      for (const { pid, startTime } of moving) {
        const sent = this.#signal(pid, startTime, SIGSTOP);
        if (sent === "denied") return "impossible";
        if (sent === "sent") this.#stopped.set(pid, startTime);
      }
      return moving.length > 0 ? "moving" : "still";
    } catch (error) {
      if (!isSystemError(error) || !isShortage(error.code)) throw error;
      return "impossible";
    }
  }

  #signal(pid: number, startTime: number, signal: number): "sent" | "gone" | "denied" {
    return signalByPid(this.#sys, pid, [signal], () => readProcess(pid)?.startTime === startTime);
  }
}
