/**
 * One process that we started: its pidfd, its end, its signals. The only owner of the pidfd; when the process has
 * ended it is reaped at once and the descriptor closed, before anybody is told.
 */
import type { Carry } from "../native/carry.ts";
import type {
  ChildExit,
  Fd,
  PreparedPlan,
  SpawnedChild,
  SpawnStage,
  Sys,
  SystemError,
  Watch,
} from "../native/sys.ts";
import { isSystemError, READABLE } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { send } from "./signal.ts";

/** Why a process could not be started: the step that failed and the error of the kernel. */
export interface SpawnFailure {
  stage: SpawnStage;
  /** `ENOENT`, `EPERM` ... */
  code: string;
}

/** A handler's own process, as those see it who reach it. */
export type Leader = Pick<Child, "pid" | "ended" | "signal" | "save">;

/** A process that another process image of ours has started: while it runs, or until it is reaped, by its pidfd. */
export type SavedChild = { pidfd: Fd } | { exit: ChildExit };

export class Child {
  readonly pid: number;
  readonly #sys: Sys;
  readonly #pidfd: Fd;
  readonly #watch: Watch;
  readonly #onEnd: (exit: ChildExit) => void;
  #exit: ChildExit | null = null;

  /** Keeps `pidfd`. */
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
    return this.#exit !== null;
  }

  save(carry: Carry): SavedChild {
    return this.#exit === null ? { pidfd: carry(this.#pidfd) } : { exit: this.#exit };
  }

  /** Reaps the process if it has ended. Called when its pidfd is readable; harmless at any other time. */
  collect(): void {
    if (this.ended) return;
    const exit = this.#sys.wait(this.#pidfd);
    if (exit === null) return;
    this.#exit = exit;
    this.#watch.close();
    this.#sys.close(this.#pidfd);
    this.#onEnd(exit);
  }

  /**
   * Reaches nobody once it has ended. Its group, which it leads, is signalled while it is un-reaped: no stranger can
   * be hit.
   */
  signal(signal: number, whom: "process" | "group"): void {
    if (this.ended) return;
    send(() =>
      whom === "group"
        ? this.#sys.signalGroup(this.pid, signal)
        : this.#sys.signalProcess(this.#pidfd, signal),
    );
  }
}

/** One that had ended before: nobody is reached by it any more. */
export function endedLeader(exit: ChildExit): Leader {
  return { pid: exit.pid, ended: true, signal: () => {}, save: () => ({ exit }) };
}

/** What one start needs. */
export interface ChildStart {
  plan: PreparedPlan;
  /** Position n is its descriptor n. Borrowed for the spawn. */
  descriptors: readonly Fd[];
  /** `NAME=value`, beside those of the plan. */
  variables: readonly string[];
  /** The directory to be born in; -1: ours. Borrowed. */
  cgroup: Fd;
  /** Called once, after the process was reaped; never before the function that starts it has returned. */
  onEnd: (exit: ChildExit) => void;
}

/**
 * Starts processes; the one way that any handler of any handoff is started. Several are started at once, so that
 * their execs share the machine's processors instead of taking turns.
 * @returns in the order of `starts`, each on its own
 */
export function startChildren(sys: Sys, starts: readonly ChildStart[]): Result<Child, SpawnFailure>[] {
  const [only] = starts;
  const spawned = starts.length === 1 && only !== undefined ? [spawnOne(sys, only)] : sys.spawnAll(starts);
  return spawned.map((outcome, index) => {
    const start = starts[index];
    if (outcome instanceof Error || start === undefined) return err(failureOf(outcome));
    return ok(new Child(sys, outcome.pid, outcome.pidfd, start.onEnd));
  });
}

function spawnOne(
  sys: Sys,
  { plan, descriptors, variables, cgroup }: ChildStart,
): SpawnedChild | SystemError {
  try {
    return sys.spawn(plan, descriptors, variables, cgroup);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return error;
  }
}

function failureOf(outcome: SpawnedChild | SystemError): SpawnFailure {
  if (!(outcome instanceof Error)) throw new Error("a process was started that nobody asked for");
  return { stage: outcome.stage ?? "clone", code: outcome.code };
}
