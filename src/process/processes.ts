/**
 * All processes of the daemon: how a handler is started, with what reaches it until nothing of it is left, and what
 * happens to those that were left behind.
 */
import { closeSync, constants, openSync } from "node:fs";
import type { Fd } from "../native/sys.ts";
import { isSystemError } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { unreachable } from "../util/unreachable.ts";
import { Cgroup } from "./cgroup.ts";
import { type CgroupHome, openCgroupHome } from "./cgroup-home.ts";
import type { Child, ChildStart, SpawnFailure } from "./child.ts";
import { Children } from "./children.ts";
import { Descent } from "./descent.ts";
import { reachGroup } from "./group.ts";
import { Leftovers, type LeftoverWorld, type StopKeys } from "./leftovers.ts";
import { type Reach, reachProcess } from "./reach.ts";

export interface HandlerStart extends Omit<ChildStart, "cgroup"> {
  /** That of a handler which has only one; its number is in the environment as TINETD_CONNECTION. */
  connection: number | null;
}

export type HandlerService = StopKeys & { killMode: "process" | "group" | "tree" };

/** A handler that was started. */
export interface Started {
  pid: number;
  reach: Reach;
}

/** Where a handler is to be born. */
interface Place {
  home: CgroupHome;
  directory: string;
  fd: Fd;
}

export class Processes {
  readonly #world: LeftoverWorld;
  readonly #children: Children;
  readonly #leftovers: Leftovers;
  readonly #findCgroups: () => CgroupHome | null;
  /** `undefined`: nobody has asked for a tree yet. */
  #cgroups: CgroupHome | null | undefined;

  /** @param findCgroups where the cgroups of `kill_mode = "tree"` can be, or `null`; asked once, when it is needed */
  constructor(world: LeftoverWorld, findCgroups = () => openCgroupHome(world.sys, world.pid)) {
    this.#world = world;
    this.#children = new Children(world.sys, world.clock);
    this.#leftovers = new Leftovers(world);
    this.#findCgroups = findCgroups;
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
    const { pid } = child.value;
    this.#leftovers.forget(pid);
    return ok({ pid, reach: this.#reach(service, connection, child.value, place) });
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

  #reach(service: HandlerService, connection: number | null, child: Child, place: Place | null): Reach {
    const { sys, clock } = this.#world;
    switch (service.killMode) {
      case "process":
        return reachProcess(sys, clock, child);
      case "group":
        return reachGroup(sys, clock, child, () => this.#leftovers.add(child.pid, service));
      case "tree":
        return place === null
          ? new Descent({ sys, clock, children: this.#children }, child, service.name, connection)
          : new Cgroup(sys, clock, place.home, place.directory);
      default:
        return unreachable(service.killMode);
    }
  }

  /** A cgroup for a handler to be born in; `null` where there are none. */
  #makePlace(service: string): Result<Place | null, SpawnFailure> {
    this.#cgroups ??= this.#findCgroups();
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
