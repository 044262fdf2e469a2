/**
 * `kill_mode = "tree"` without a cgroup: what can be told of descent from /proc. Exact is
 *
 * - what descends from the handler while it lives, by the chain of parents, and whoever was once seen there,
 * - what is in the handler's session, whoever is its parent now,
 * - and, since orphans come to us (we are a subreaper): what descends from an orphan of these.
 *
 * Best effort is an orphan that was never seen as a descendant and has left the session: a daemon that the handler has
 * started. It is known by its environment: that names our service and, for `stdio`, the connection. This fails where
 * it was started with another environment, has overwritten it, or does not let us read it; then it lives on. Of several
 * workers of one service an orphan is this one's if it names it (LISTEN_PID), or no other that lives is older than the
 * orphan; else it is left to the last of them.
 *
 * The end needs no watching of each process: the last of a tree to end is an orphan by then, so that it is ours to reap.
 */
import { constants } from "node:os";
import type { Sys } from "../native/sys.ts";
import type { Clock, Timer } from "../util/clock.ts";
import type { Leader } from "./child.ts";
import type { Children } from "./children.ts";
import { insist } from "./insist.ts";
import { environmentOf, listProcesses, type ProcessEntry, readProcess, treeOf } from "./proc.ts";
import { type SavableReach, stopSoon } from "./reach.ts";
import { signalByPid, stopSignals } from "./signal.ts";
import { type SavedStandstill, Standstill } from "./standstill.ts";

export interface DescentWorld {
  sys: Sys;
  clock: Clock;
  children: Children;
}

/** Signals go round until nobody new is found; a program that forks without end must not keep us here. */
const mostRounds = 10;
/** An orphan that is executing another file or is ending cannot tell whose it was; for so long it is looked at again. */
const longestDoubtMs = 1000;
const lookAgainMs = 10;

type Numbered = [pid: number, startTime: number][];

export interface SavedDescent {
  kind: "descent";
  connection: number | null;
  startTime: number;
  seen: Numbered;
  denied: Numbered;
  hasSession: boolean;
  stopped: SavedStandstill;
  /** A stop that those who were frozen have still to be awake for. */
  unsent: number | null;
  killing: boolean;
}

export class Descent implements SavableReach<SavedDescent> {
  readonly #world: DescentWorld;
  readonly #child: Leader;
  readonly #service: string;
  readonly #connection: number | null;
  readonly #startTime: number;
  readonly #standstill: Standstill;
  /** All that were ever found in the tree: pid to start time. */
  readonly #seen: Map<number, number>;
  /** Those that we may not signal: nothing can be done about them. Pid to start time. */
  readonly #denied: Map<number, number>;
  /** Whether the session's number, which was the handler's, may be trusted: it is in use as long as it has a member. */
  #hasSession: boolean;
  /** Since when there has been doubt about an orphan. */
  readonly #doubts = new Map<number, number>();
  #again: Timer | null = null;
  #onGone: (() => void) | null = null;
  #unsubscribe = () => {};
  #unsent: number | null;
  #killing: boolean;

  /**
   * @param from the connection of a handler that has only one, and its number in the environment; or what another
   * process image of ours has saved. Whom there was doubt about is doubted anew.
   */
  constructor(
    world: DescentWorld,
    child: Leader,
    service: string,
    from: { connection: number | null } | SavedDescent,
  ) {
    const saved = "kind" in from ? from : null;
    this.#world = world;
    this.#child = child;
    this.#service = service;
    this.#connection = from.connection;
    this.#startTime = saved?.startTime ?? readProcess(child.pid)?.startTime ?? 0;
    this.#standstill = new Standstill(world.sys, world.clock, () => this.#members(), saved?.stopped);
    this.#seen = new Map(saved?.seen);
    this.#denied = new Map(saved?.denied);
    this.#hasSession = saved?.hasSession ?? true;
    this.#killing = saved?.killing ?? false;
    this.#unsent = stopSoon(world.clock, saved, (signal) => this.stop(signal));
  }

  save(): SavedDescent {
    return {
      kind: "descent",
      connection: this.#connection,
      startTime: this.#startTime,
      seen: [...this.#seen],
      denied: [...this.#denied],
      hasSession: this.#hasSession,
      stopped: this.#standstill.save(),
      unsent: this.#unsent,
      killing: this.#killing,
    };
  }

  freeze(done: (frozen: boolean) => void): void {
    this.#standstill.freeze(done);
  }

  thaw(): void {
    this.#standstill.thaw();
  }

  stop(signal: number): void {
    this.#unsent = signal;
    const send = () => {
      this.#signal(stopSignals(signal));
      this.#unsent = null;
    };
    this.#standstill.awaken(() => insist(this.#world.clock, send));
  }

  kill(): void {
    this.#killing = true;
    // All of its group at once, whatever they fork; then those who have left it.
    this.#child.signal(constants.signals.SIGKILL, "group");
    insist(this.#world.clock, () => this.#signal([constants.signals.SIGKILL]));
  }

  ended(_stopping: boolean, onGone: () => void): void {
    this.#standstill.giveUp();
    this.#onGone = onGone;
    this.#look();
    // Mostly nobody is left, and nothing needs to be waited for.
    if (this.#onGone !== null) this.#unsubscribe = this.#world.children.onReaped(() => this.#look());
  }

  #look(): void {
    insist(this.#world.clock, () => {
      if (this.#onGone === null) return;
      if (this.#killing) this.#signal([constants.signals.SIGKILL]);
      const verdicts = this.#orphans().map(({ verdict }) => verdict);
      if (verdicts.includes("ours")) return;
      if (verdicts.includes("unclear")) {
        this.#again?.cancel();
        this.#again = this.#world.clock.after(lookAgainMs, () => this.#look());
        return;
      }
      this.#unsubscribe();
      this.#again?.cancel();
      const onGone = this.#onGone;
      this.#onGone = null;
      onGone();
    });
  }

  #signal(signals: readonly number[]): void {
    const { sys } = this.#world;
    const done = new Set<number>();
    const signalFresh = (processes: ProcessEntry[]): boolean => {
      const fresh = processes.filter(({ pid, zombie }) => !done.has(pid) && !zombie);
      for (const { pid, startTime } of fresh) {
        done.add(pid);
        const isMeant = () => readProcess(pid)?.startTime === startTime;
        if (signalByPid(sys, pid, signals, isMeant) === "denied") this.#denied.set(pid, startTime);
      }
      return fresh.length > 0;
    };
    for (let round = 0; round < mostRounds; round++) {
      // Orphans are found much faster than all the others: in time to catch one that is about to fork and to end.
      if (signalFresh(this.#ours()) || signalFresh(this.#members())) continue;
      // Whose parent has ended while all were looked at was not seen as its child, but has become an orphan.
      if (!signalFresh(this.#ours())) return;
    }
  }

  /** All that is found of the tree. */
  #members(): ProcessEntry[] {
    const orphans = this.#ours().map(({ pid }) => pid);
    if (this.#child.ended && orphans.length === 0) return [];
    const roots = new Set(this.#child.ended ? orphans : [this.#child.pid, ...orphans]);
    const tree = treeOf(listProcesses(), ({ pid }) => roots.has(pid));
    for (const { pid, startTime } of tree) this.#seen.set(pid, startTime);
    return tree;
  }

  /** The orphans that belong to the tree. */
  #ours(): ProcessEntry[] {
    return this.#orphans().flatMap(({ orphan, verdict }) => (verdict === "ours" ? [orphan] : []));
  }

  /** All orphans but those that we may not signal. */
  #orphans(): { orphan: ProcessEntry; verdict: Verdict }[] {
    const orphans = this.#world.children.orphans();
    // Once nobody is in it, the session's number may be given to another.
    if (this.#child.ended && !orphans.some(({ session }) => session === this.#child.pid))
      this.#hasSession = false;
    return orphans
      .filter((orphan) => !isIn(this.#denied, orphan))
      .map((orphan) => ({ orphan, verdict: this.#judge(orphan) }));
  }

  #judge(orphan: ProcessEntry): Verdict {
    const { pid, session, startTime } = orphan;
    if (startTime < this.#startTime) return "another's";
    if (isIn(this.#seen, orphan) || (this.#hasSession && session === this.#child.pid)) return "ours";
    const environment = environmentOf(pid);
    if (environment === null) return this.#doubt(pid);
    return this.#isNamed(environment, startTime) ? "ours" : "another's";
  }

  #isNamed(environment: readonly string[], startTime: number): boolean {
    if (!environment.includes(`TINETD_SERVICE=${this.#service}`)) return false;
    if (this.#connection !== null) return environment.includes(`TINETD_CONNECTION=${this.#connection}`);
    if (environment.includes(`LISTEN_PID=${this.#child.pid}`)) return true;
    const { children } = this.#world;
    const others = children.handlersOf(this.#service).filter((pid) => pid !== this.#child.pid);
    return others.every((pid) => (readProcess(pid)?.startTime ?? 0) > startTime);
  }

  #doubt(pid: number): Verdict {
    const now = this.#world.clock.now();
    const since = this.#doubts.get(pid) ?? now;
    this.#doubts.set(pid, since);
    return now - since < longestDoubtMs ? "unclear" : "another's";
  }
}

type Verdict = "ours" | "another's" | "unclear";

function isIn(processes: ReadonlyMap<number, number>, { pid, startTime }: ProcessEntry): boolean {
  return processes.get(pid) === startTime;
}
