/**
 * All our children: handlers, which we started, and orphans, which came to us. The daemon is a subreaper
 * (PR_SET_CHILD_SUBREAPER): whatever a handler has started and left behind becomes our child, for us to reap; so does
 * every orphan of a container where the daemon is PID 1.
 *
 * A handler's end is learned by its own pidfd. For an orphan there is only SIGCHLD, which says not whose and is sent
 * for handlers too. So an ended child is first looked at (waitid with WNOWAIT), and a handler is left to its own
 * `Child`: nobody else ever takes its status. It is collected there and then, or the next look would show it again.
 *
 * Both cost something for each handler that ends, a wake-up of Node and a walk of the kernel along all our children.
 * So after one SIGCHLD nobody listens until the look is made, some time later and for all that have ended by then;
 * except while somebody waits for an orphan to be gone.
 *
 * After an upgrade there are handlers that this process image has not started: an ended one would be taken for an orphan,
 * and its status be lost. So nothing is reaped before all of them have been adopted.
 */
import type { ChildExit, Fd, Sys } from "../native/sys.ts";
import type { Clock, Timer } from "../util/clock.ts";
import type { Result } from "../util/result.ts";
import { Child, type ChildStart, type SpawnFailure, startChildren } from "./child.ts";
import { ownChildren, type ProcessEntry, readProcess } from "./proc.ts";

/** How long a dead orphan may wait to be reaped. */
const reapDelayMs = 100;
/** So many are reaped at once; then others have their turn. */
const mostAtOnce = 256;
/** One round is shorter than the life of a process: nobody forks so fast that more than a few are needed. */
const mostRounds = 1000;

export class Children {
  readonly #sys: Sys;
  readonly #clock: Clock;
  readonly #handlers = new Map<number, { child: Child; service: string }>();
  readonly #waiting = new Set<() => void>();
  #timer: Timer | null = null;
  #listening = false;
  #begun = false;
  readonly #heard = (): void => {
    this.#listening = false;
    if (this.#waiting.size > 0) this.reap();
    else this.#reapIn(reapDelayMs);
  };

  constructor(sys: Sys, clock: Clock) {
    this.#sys = sys;
    this.#clock = clock;
    sys.setSubreaper(true);
  }

  /** Reaps from now on, first in a later turn: all handlers that there are have been adopted. */
  begin(): void {
    this.#begun = true;
    this.#listen();
    // One that came to us before we listened may have ended unheard.
    this.#reapIn(0);
  }

  /** Starts handlers of `service`. See `startChildren`. */
  start(service: string, starts: readonly ChildStart[]): Result<Child, SpawnFailure>[] {
    const known = starts.map((start) => ({ ...start, onEnd: this.#forgetting(start.onEnd) }));
    const children = startChildren(this.#sys, known);
    for (const child of children) {
      if (child.ok) this.#handlers.set(child.value.pid, { child: child.value, service });
    }
    return children;
  }

  /**
   * A handler of `service` that another process image of ours has started. Keeps `pidfd`.
   * @param onEnd as of a start; if it has ended meanwhile, in a later turn
   */
  adopt(service: string, pid: number, pidfd: Fd, onEnd: (exit: ChildExit) => void): Child {
    const child = new Child(this.#sys, pid, pidfd, this.#forgetting(onEnd));
    this.#handlers.set(pid, { child, service });
    return child;
  }

  #forgetting(onEnd: (exit: ChildExit) => void): (exit: ChildExit) => void {
    return (exit) => {
      this.#handlers.delete(exit.pid);
      onEnd(exit);
    };
  }

  /** The pids of the handlers of `service` that have not ended. */
  handlersOf(service: string): number[] {
    return [...this.#handlers].filter(([, handler]) => handler.service === service).map(([pid]) => pid);
  }

  /**
   * Our children that we have not started and that live. Whoever descends from a handler that has ended does so through
   * one of these. None is missed: one that ends while we look, and leaves a child of its own, has been seen by then,
   * and its child is found in the next round.
   */
  orphans(): ProcessEntry[] {
    const looked = new Map<number, ProcessEntry | null>();
    let before = -1;
    for (let round = 0; looked.size > before && round < mostRounds; round++) {
      before = looked.size;
      for (const pid of ownChildren()) {
        if (!this.#handlers.has(pid) && !looked.has(pid)) looked.set(pid, readProcess(pid));
      }
    }
    return [...looked.values()].filter((entry) => entry !== null).filter((entry) => !entry.zombie);
  }

  /** Calls back whenever orphans were reaped. The function that it returns puts an end to that. */
  onReaped(callback: () => void): () => void {
    this.#waiting.add(callback);
    if (this.#begun && !this.#listening) this.#reapIn(0);
    return () => this.#waiting.delete(callback);
  }

  /** Reaps the orphans that have ended, and has handlers that have ended collected. */
  reap(): void {
    this.#timer?.cancel();
    this.#timer = null;
    // First, or whoever ends while we look would not be heard of.
    this.#listen();
    let orphans = 0;
    for (let looks = 0; ; looks++) {
      const pid = this.#sys.peekEndedChild();
      if (pid === null) break;
      if (looks === mostAtOnce) {
        this.#reapIn(0);
        break;
      }
      const handler = this.#handlers.get(pid)?.child;
      if (handler === undefined) {
        this.#sys.waitPid(pid);
        orphans += 1;
      } else {
        handler.collect();
        // A child that has ended and yet is not to be had (a debugger's): it will be announced once more.
        if (!handler.ended) break;
      }
    }
    if (orphans > 0) for (const callback of [...this.#waiting]) callback();
  }

  /** Nothing more is reaped. */
  close(): void {
    this.#timer?.cancel();
    process.off("SIGCHLD", this.#heard);
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    process.once("SIGCHLD", this.#heard);
  }

  #reapIn(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(delayMs, () => this.reap());
  }
}
