/**
 * Process groups that live on after their handler has ended by itself (`kill_mode = "group"`), until their service is
 * stopped: then they go the way of a handler.
 *
 * They are remembered by number and cost nothing else, for there may be many and nobody waits for them. A number
 * whose group has gone is dropped in time, at the latest when a handler gets it. Before anything is signalled, each
 * member must prove that it is ours: in the session that the handler had led (its number was the group's), descended
 * from us (a subreaper stays an ancestor), and not started for another service. What a program forks for a session of
 * its own is out of the group, and lives on.
 */
import { constants } from "node:os";
import type { Emit } from "../log/events.ts";
import type { Sys } from "../native/sys.ts";
import type { Clock, Timer } from "../util/clock.ts";
import { signalNumber } from "../util/signals.ts";
import { environmentOf, type ProcessEntry } from "./proc.ts";
import { stopSignals } from "./signal.ts";
import { groupExists, membersOf, Survivors } from "./survivors.ts";

/** How the handler would have been stopped. */
export interface StopKeys {
  name: string;
  /** `SIGTERM` ... */
  stopSignal: string;
  /** Milliseconds; `null`: SIGKILL never follows. */
  stopTimeout: number | null;
}

export interface LeftoverWorld {
  sys: Sys;
  clock: Clock;
  emit: Emit;
  /** The daemon's own. */
  pid: number;
}

export interface SavedLeftovers {
  /** The numbers of the groups, each with how its handler would have been stopped. */
  groups: [group: number, service: StopKeys][];
  /** Those that are being stopped. */
  stopping: [group: number, service: StopKeys][];
}

/** Fewer than so many are kept without asking whether they are still there. */
const worthAsking = 64;

export class Leftovers {
  readonly #world: LeftoverWorld;
  readonly #groups: Map<number, StopKeys>;
  readonly #stopping = new Map<Survivors, [group: number, service: StopKeys]>();
  #askAt = worthAsking;
  #whenGone: (() => void)[] = [];

  /** @param saved by another process image of ours; the `stop_timeout` of those that are being stopped begins anew */
  constructor(world: LeftoverWorld, saved: SavedLeftovers | null = null) {
    this.#world = world;
    this.#groups = new Map(saved?.groups);
    for (const [group, service] of saved?.stopping ?? []) this.#end(group, service);
  }

  save(): SavedLeftovers {
    return { groups: [...this.#groups], stopping: [...this.#stopping.values()] };
  }

  /** A handler of `service` has ended by itself; others of the group of its number live. */
  add(group: number, { name, stopSignal, stopTimeout }: StopKeys): void {
    this.#groups.set(group, { name, stopSignal, stopTimeout });
    if (this.#groups.size < this.#askAt) return;
    for (const each of this.#groups.keys())
      if (!groupExists(this.#world.sys, each)) this.#groups.delete(each);
    // Twice as many as there really are: so each of them is asked about once or twice.
    this.#askAt = Math.max(worthAsking, 2 * this.#groups.size);
  }

  /** A handler was started with this number: no group of that number was left. */
  forget(pid: number): void {
    this.#groups.delete(pid);
  }

  /** Ends what is left of a service: its stop signal, its timeout, SIGKILL. */
  stop(service: string): void {
    for (const [group, keys] of this.#groups) {
      if (keys.name !== service) continue;
      this.#groups.delete(group);
      if (groupExists(this.#world.sys, group)) this.#stop(group, keys);
    }
  }

  /** SIGKILL to all that is being stopped. */
  kill(): void {
    for (const survivors of this.#stopping.keys()) survivors.kill();
  }

  /** Resolves when nothing that is being stopped is left. */
  async gone(): Promise<void> {
    if (this.#stopping.size > 0) await new Promise<void>((resolve) => this.#whenGone.push(resolve));
  }

  #stop(group: number, service: StopKeys): void {
    const survivors = this.#end(group, service);
    if (!this.#stopping.has(survivors)) return;
    const { name, stopSignal } = service;
    const reason = "left by a handler that has ended; the service is stopped";
    this.#world.emit({ event: "handler.stopping", service: name, pid: group, reason, signal: stopSignal });
    survivors.signal(stopSignals(signalNumber(stopSignal) ?? constants.signals.SIGTERM));
  }

  /** Waits for the end of those who have been told or are about to be, and after `stop_timeout` sends SIGKILL. */
  #end(group: number, service: StopKeys): Survivors {
    const { sys, clock, pid } = this.#world;
    const { name, stopTimeout } = service;
    const survivors = new Survivors(sys, clock, group, (processes) => leftOf(group, name, pid, processes));
    let timer: Timer | null = null;
    this.#stopping.set(survivors, [group, service]);
    survivors.watch(() => {
      timer?.cancel();
      this.#stopping.delete(survivors);
      if (this.#stopping.size === 0) for (const resolve of this.#whenGone.splice(0)) resolve();
    });
    if (this.#stopping.has(survivors) && stopTimeout !== null) {
      timer = clock.after(stopTimeout, () => survivors.kill());
    }
    return survivors;
  }
}

/** The members of a group that a handler of `service` has led, and left to `daemon`. Pure but for /proc/PID/environ. */
export function leftOf(
  group: number,
  service: string,
  daemon: number,
  processes: readonly ProcessEntry[],
  environment: (pid: number) => string[] | null = environmentOf,
): ProcessEntry[] {
  const parents = new Map(processes.map(({ pid, parent }) => [pid, parent]));
  const isOurs = (pid: number | undefined): boolean =>
    pid === daemon || (pid !== undefined && isOurs(parents.get(pid)));
  return membersOf(group, processes).filter(({ pid, session }) => {
    const named = environment(pid)?.find((variable) => variable.startsWith("TINETD_SERVICE="));
    return session === group && isOurs(pid) && (named === undefined || named === `TINETD_SERVICE=${service}`);
  });
}
