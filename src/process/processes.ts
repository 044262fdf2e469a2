/**
 * All processes of the daemon: how a handler is started, with what reaches it until nothing of it is left, and what
 * happens to those that were left behind.
 */
import { closeSync, constants, openSync } from "node:fs";
import type { Carry } from "../native/carry.ts";
import type { ChildExit, Fd } from "../native/sys.ts";
import { isSystemError } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { type CgroupHome, openCgroupHome, resumeCgroupHome, type SavedCgroupHome } from "./cgroup-home.ts";
import {
  type Child,
  type ChildStart,
  endedLeader,
  type Leader,
  type SavedChild,
  type SpawnFailure,
} from "./child.ts";
import { Children } from "./children.ts";
import { Leftovers, type LeftoverWorld, type SavedLeftovers, type StopKeys } from "./leftovers.ts";
import type { Reach, SavableReach } from "./reach.ts";
import { type CgroupPlace, newReach, type ReachWorld, resumeReach, type SavedReach } from "./reaches.ts";

export interface HandlerStart extends Omit<ChildStart, "cgroup"> {
  /** That of a handler which has only one; its number is in the environment as TINETD_CONNECTION. */
  connection: number | null;
}

export type HandlerService = StopKeys & { killMode: "process" | "group" | "tree" };

/** A handler that was started. */
export interface Started {
  pid: number;
  reach: Reach;
  /** For `Processes.adopt`. Until nothing of it is left. */
  save(carry: Carry): SavedProcess;
}

export interface SavedProcess {
  pid: number;
  child: SavedChild;
  reach: SavedReach;
}

/** All but the handlers, which are adopted one by one. */
export interface SavedProcesses {
  /** `null` if there are none, or nobody has needed one yet. */
  cgroups: SavedCgroupHome | null;
  leftovers: SavedLeftovers;
}

/** Where a handler is to be born. */
interface Place extends CgroupPlace {
  fd: Fd;
}

export class Processes {
  readonly #world: LeftoverWorld;
  readonly #children: Children;
  readonly #leftovers: Leftovers;
  readonly #findCgroups: () => CgroupHome | null;
  /** `undefined`: nobody has asked for a tree yet. */
  #cgroups: CgroupHome | null | undefined;

  /**
   * @param findCgroups where the cgroups of `kill_mode = "tree"` can be, or `null`; asked once, when it is needed
   * @param restored what another process image of ours has saved. Then nothing is reaped before `begin`.
   */
  constructor(
    world: LeftoverWorld,
    findCgroups = () => openCgroupHome(world.sys, world.pid),
    restored: { state: SavedProcesses; claim: Carry } | null = null,
  ) {
    this.#world = world;
    this.#children = new Children(world.sys, world.clock);
    this.#leftovers = new Leftovers(world, restored?.state.leftovers);
    this.#findCgroups = findCgroups;
    const cgroups = restored?.state.cgroups ?? null;
    if (restored === null) this.begin();
    else if (cgroups !== null) this.#cgroups = resumeCgroupHome(cgroups, restored.claim);
  }

  /** Reaps orphans from now on: all handlers that there are have been adopted. Does nothing before a later turn. */
  begin(): void {
    this.#children.begin();
  }

  save(carry: Carry): SavedProcesses {
    return { cgroups: this.#cgroups?.save(carry) ?? null, leftovers: this.#leftovers.save() };
  }

  /** Starts handlers of one service at once. @returns in the order of `starts`, each on its own */
  start(service: HandlerService, starts: readonly HandlerStart[]): Result<Started, SpawnFailure>[] {
    const places = starts.map(() => (service.killMode === "tree" ? this.#makePlace(service.name) : ok(null)));
    const placed = starts.flatMap((start, index) => {
      const place = places[index];
      return place?.ok === true ? [{ ...start, cgroup: place.value?.fd ?? -1 }] : [];
    });
    const children = placed.length > 0 ? this.#children.start(service.name, placed) : [];
    return starts.map((start, index) => {
      const place = places[index];
      if (place === undefined || !place.ok) return place ?? err({ stage: "cgroup", code: "EINVAL" });
      return this.#settle(service, start, children.shift(), place.value);
    });
  }

  #settle(
    service: HandlerService,
    { connection }: HandlerStart,
    child: Result<Child, SpawnFailure> | undefined,
    place: Place | null,
  ): Result<Started, SpawnFailure> {
    if (child === undefined) throw new Error("a start without an outcome");
    if (place !== null) closeSync(place.fd);
    if (!child.ok) {
      if (place !== null) place.home.remove(place.directory);
      return child;
    }
    const { value } = child;
    this.#leftovers.forget(value.pid);
    return ok(started(value, newReach(this.#reachWorld(service, value), value, service, connection, place)));
  }

  /**
   * A handler of `service` that another process image of ours has started, and what reaches it as it was then. A freeze
   * that was under way is to be asked for anew.
   * @param onEnd called once, never before this returns; not if it was told before of the end, and only what is left of
   * the handler is waited for: then `reach.ended` is to be called once more
   */
  adopt(
    service: HandlerService,
    saved: SavedProcess,
    claim: Carry,
    onEnd: (exit: ChildExit) => void,
  ): Started {
    const child = this.#resume(service.name, saved, claim, onEnd);
    const world = this.#reachWorld(service, child);
    return started(child, resumeReach(world, child, service.name, this.#cgroups ?? null, saved.reach));
  }

  #resume(
    service: string,
    { pid, child }: SavedProcess,
    claim: Carry,
    onEnd: (exit: ChildExit) => void,
  ): Leader {
    return "pidfd" in child
      ? this.#children.adopt(service, pid, claim(child.pidfd), onEnd)
      : endedLeader(child.exit);
  }

  /** Ends what handlers of a service that have ended by themselves have left of their groups. */
  stopLeftovers(service: string): void {
    this.#leftovers.stop(service);
  }

  /** SIGKILL to what is left of services that are being stopped. */
  killLeftovers(): void {
    this.#leftovers.kill();
  }

  /** Resolves when nothing that `stopLeftovers` has found is left. */
  leftoversGone(): Promise<void> {
    return this.#leftovers.gone();
  }

  /** After the last handler has gone. */
  close(): void {
    this.#children.close();
    this.#cgroups?.close();
  }

  #reachWorld(service: StopKeys, { pid }: Leader): ReachWorld {
    const { sys, clock } = this.#world;
    return { sys, clock, children: this.#children, onLeft: () => this.#leftovers.add(pid, service) };
  }

  /** A cgroup for a handler to be born in; `null` where there are none. */
  #makePlace(service: string): Result<Place | null, SpawnFailure> {
    if (this.#cgroups === undefined) this.#cgroups = this.#findCgroups();
    const home = this.#cgroups;
    if (home === null) return ok(null);
    let directory: string | null = null;
    try {
      directory = home.create(service);
      return ok({ home, directory, fd: openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY) });
    } catch (error) {
      if (directory !== null) home.remove(directory);
      if (!isSystemError(error)) throw error;
      return err({ stage: "cgroup", code: error.code });
    }
  }
}

function started(child: Leader, reach: SavableReach<SavedReach>): Started {
  const { pid } = child;
  return { pid, reach, save: (carry) => ({ pid, child: child.save(carry), reach: reach.save() }) };
}
