/** A worker of `listen`: what it is started with, what is remembered of it, and how that goes along with an upgrade. */
import type { BoundListener } from "../net/listen.ts";
import type { SavedFrost } from "./frost.ts";
import type { HandlerRef, Restored, StandardDescriptors, Start } from "./handoff.ts";
import type { SavedIdleWatch } from "./idle-watch.ts";
import type { Aging, SavedAging } from "./old-age.ts";
import { restoredHandler } from "./saved.ts";
import { restoreWaited, type SavedTakings, type SavedWaited, saveWaited, type Waited } from "./takings.ts";

export interface Worker {
  readonly ref: HandlerRef;
  /** What waited when it was started. */
  readonly before: Waited;
  /** On the monotonic clock. */
  readonly startedAt: number;
  /** Its `max_lifetime` is over: it goes in a moment in which it can. */
  aged: Aging | null;
}

export interface SavedWorker {
  pid: number;
  before: SavedWaited;
  startedAt: number;
  aged: SavedAging | null;
}

export interface SavedListen {
  workers: SavedWorker[];
  /** Pids of those who were told to stop behind a closed door. */
  leaving: number[];
  departing: boolean;
  /** Why they are to go that are looked at again; `null` if none are. */
  look: string | null;
  keeping: boolean;
  takings: SavedTakings;
  idle: SavedIdleWatch | null;
  frost: SavedFrost;
}

export function saveWorker(
  { ref, before, startedAt, aged }: Worker,
  listeners: readonly BoundListener[],
): SavedWorker {
  const age = aged?.save() ?? null;
  return { pid: ref.pid, before: saveWaited(before, listeners), startedAt, aged: age };
}

/** @param resume goes on with its age */
export function restoreWorker(
  { pid, before, startedAt, aged }: SavedWorker,
  { handlers, listeners }: Pick<Restored, "handlers" | "listeners">,
  resume: (ref: HandlerRef, saved: SavedAging) => Aging,
): Worker {
  const ref = restoredHandler(handlers, pid);
  const age = aged === null ? null : resume(ref, aged);
  return { ref, before: restoreWaited(before, listeners), startedAt, aged: age };
}

/** `listen_pid = "omit"` is for commands that are wrappers: their child could not show the pid that is expected. */
export function startListen(
  listeners: readonly BoundListener[],
  listenPid: "exec" | "omit",
  { nothing, stderr, chosen }: StandardDescriptors,
): Start {
  const second = stderr === "connection" ? nothing : stderr;
  const variables = [
    `LISTEN_FDS=${listeners.length}`,
    `LISTEN_FDNAMES=${listeners.map(({ name }) => name).join(":")}`,
    // Filled in by the spawn, which alone knows the pid.
    ...(listenPid === "exec" ? ["LISTEN_PID="] : []),
  ];
  return {
    descriptors: [nothing, second, second, ...listeners.map(({ fd }) => fd)],
    variables: variables.filter((variable) => !chosen.has(variable.slice(0, variable.indexOf("=")))),
  };
}
