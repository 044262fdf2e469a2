/**
 * One process that we started: its pidfd, its end, its signals. The only owner of the pidfd; when the process has
 * ended it is reaped at once and the descriptor closed, before anybody is told.
 */
import type { ChildExit, Fd, PreparedPlan, SpawnStage, Sys, Watch } from "../native/sys.ts";
import { isSystemError, READABLE } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";

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

  /** `false` once it has ended. Its group, which it leads, is signalled while it is un-reaped: no stranger can be hit. */
  signal(signal: number, whom: "process" | "group"): boolean {
    if (this.#ended) return false;
    return whom === "group"
      ? this.#sys.signalGroup(this.pid, signal)
      : this.#sys.signalProcess(this.#pidfd, signal);
  }
}

/**
 * Starts a process; the one way that any handler of any handoff is started. Borrows the descriptors.
 * @param onEnd called once, after the process was reaped; never before this function has returned
 */
export function startChild(
  sys: Sys,
  plan: PreparedPlan,
  descriptors: readonly Fd[],
  variables: readonly string[],
  onEnd: (exit: ChildExit) => void,
): Result<Child, SpawnFailure> {
  try {
    const { pid, pidfd } = sys.spawn(plan, descriptors, variables);
    return ok(new Child(sys, pid, pidfd, onEnd));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return err({ stage: error.stage ?? "clone", code: error.code });
  }
}
