/**
 * One process that we started: its pidfd, its end, its signals. The only owner of the pidfd; when the process has
 * ended it is reaped at once and the descriptor closed, before anybody is told.
 */
import type { ChildExit, Fd, PreparedPlan, SpawnStage, Sys, Watch } from "../native/sys.ts";
import { isSystemError, READABLE } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { send } from "./signal.ts";

/** Why a process could not be started: the step that failed and the error of the kernel. */
export interface SpawnFailure {
  stage: SpawnStage;
  /** `ENOENT`, `EPERM` ... */
  code: string;
}

export class Child {
  readonly pid: number;
  readonly #sys: Sys;
  readonly #pidfd: Fd;
  readonly #watch: Watch;
  readonly #onEnd: (exit: ChildExit) => void;
  #ended = false;

  constructor(sys: Sys, pid: number, pidfd: Fd, onEnd: (exit: ChildExit) => void) {
    this.pid = pid;
    this.#sys = sys;
    this.#pidfd = pidfd;
    this.#onEnd = onEnd;
    this.#watch = sys.watch(pidfd, () => this.collect());
    this.#watch.start(READABLE);
  }

  /** Whether it has ended, and was reaped. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Reaps the process if it has ended. Called when its pidfd is readable; harmless at any other time. */
  collect(): void {
    if (this.#ended) return;
    const exit = this.#sys.wait(this.#pidfd);
    if (exit === null) return;
    this.#ended = true;
    this.#watch.close();
    this.#sys.close(this.#pidfd);
    this.#onEnd(exit);
  }

  /**
   * Reaches nobody once it has ended. Its group, which it leads, is signalled while it is un-reaped: no stranger can
   * be hit.
   */
  signal(signal: number, whom: "process" | "group"): void {
    if (this.#ended) return;
    send(() =>
      whom === "group"
        ? this.#sys.signalGroup(this.pid, signal)
        : this.#sys.signalProcess(this.#pidfd, signal),
    );
  }
}

/** What one start needs, beside whom to tell of its end. */
export interface ChildStart {
  plan: PreparedPlan;
  /** Position n is its descriptor n. Borrowed for the spawn. */
  descriptors: readonly Fd[];
  /** `NAME=value`, beside those of the plan. */
  variables: readonly string[];
}

/**
 * Starts a process; the one way that any handler of any handoff is started.
 * @param cgroup the directory to be born in; -1: ours. Borrowed
 * @param onEnd called once, after the process was reaped; never before this function has returned
 */
export function startChild(
  sys: Sys,
  { plan, descriptors, variables }: ChildStart,
  cgroup: Fd,
  onEnd: (exit: ChildExit) => void,
): Result<Child, SpawnFailure> {
  try {
    const { pid, pidfd } = sys.spawn(plan, descriptors, variables, cgroup);
    return ok(new Child(sys, pid, pidfd, onEnd));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return err({ stage: error.stage ?? "clone", code: error.code });
  }
}
