/** Which mechanism reaches a handler: as `kill_mode` says at its start, and after an upgrade as it was. */
import type { Sys } from "../native/sys.ts";
import type { Clock } from "../util/clock.ts";
import { unreachable } from "../util/unreachable.ts";
import { Cgroup, type SavedCgroup } from "./cgroup.ts";
import type { CgroupHome } from "./cgroup-home.ts";
import type { Leader } from "./child.ts";
import type { Children } from "./children.ts";
import { Descent, type SavedDescent } from "./descent.ts";
import { reachGroup, type SavedGroupReach } from "./group.ts";
import { reachProcess, type SavableReach, type SavedProcessReach } from "./reach.ts";

export type SavedReach = SavedProcessReach | SavedGroupReach | SavedCgroup | SavedDescent;

export interface ReachWorld {
  sys: Sys;
  clock: Clock;
  children: Children;
  /** What a handler of `kill_mode = "group"` that has ended by itself has left of its group. */
  onLeft: () => void;
}

/** Where a handler was born. */
export interface CgroupPlace {
  home: CgroupHome;
  directory: string;
}

/**
 * @param connection that of a handler which has only one
 * @param place `null` if it has no cgroup of its own
 */
export function newReach(
  { sys, clock, children, onLeft }: ReachWorld,
  child: Leader,
  service: { name: string; killMode: "process" | "group" | "tree" },
  connection: number | null,
  place: CgroupPlace | null,
): SavableReach<SavedReach> {
  switch (service.killMode) {
    case "process":
      return reachProcess(sys, clock, child);
    case "group":
      return reachGroup(sys, clock, child, onLeft);
    case "tree":
      return place === null
        ? new Descent({ sys, clock, children }, child, service.name, { connection })
        : new Cgroup(sys, clock, place.home, place.directory);
    default:
      return unreachable(service.killMode);
  }
}

/** @param home that of the cgroups which another process image of ours has made, if it had one */
export function resumeReach(
  { sys, clock, children, onLeft }: ReachWorld,
  child: Leader,
  service: string,
  home: CgroupHome | null,
  saved: SavedReach,
): SavableReach<SavedReach> {
  switch (saved.kind) {
    case "process":
      return reachProcess(sys, clock, child, saved);
    case "group":
      return reachGroup(sys, clock, child, onLeft, saved);
    case "descent":
      return new Descent({ sys, clock, children }, child, service, saved);
    case "cgroup":
      if (home === null) throw new Error(`there is no home for the cgroup ${saved.directory}`);
      return new Cgroup(sys, clock, home, saved.directory, saved);
    default:
      return unreachable(saved);
  }
}
