/**
 * `listen`: workers get all listening sockets of the service from 3 on and accept by themselves, by the protocol of
 * sd_listen_fds(3). The first is started when somebody knocks; while any runs, tinetd only looks, now and then, whether
 * connections wait that the workers do not get to, and starts another. All workers share the same open sockets: with
 * one socket each (SO_REUSEPORT), the queue of a worker that goes would go with it.
 */
import type { Carry } from "../native/carry.ts";
import type { Timer } from "../util/clock.ts";
import { chooseQueues, closeDoors, openDoors, waitsAtTwin } from "./departure.ts";
import { createFrost } from "./frost.ts";
import {
  endedTooSoon,
  type HandlerRef,
  type Handoff,
  type HandoffHost,
  keepsNothing,
  launchOne,
  type Restored,
} from "./handoff.ts";
import { createIdleWatch } from "./idle-watch.ts";
import { createGrowth } from "./listen-growth.ts";
import { restoreWorker, type SavedListen, saveWorker, startListen, type Worker } from "./listen-worker.ts";
import { awaitLeave, resumeLeave, type SavedAging, tooOld } from "./old-age.ts";
import { createTakings } from "./takings.ts";

/** How long a connect(2) that went by the old node of a path may take to get into its queue. */
const settleMs = 20;

/** How often it is looked whether the last one has left, while others wait for the next worker. */
const drainMs = 250;

export function createListen(host: HandoffHost): Handoff {
  const workers = new Map<number, Worker>();
  const takings = createTakings(host, () => host.config.workers.max > 1);
  const growth = createGrowth(host, () => workers.values(), mayGrow, start);
  /** Who was told to stop because nobody is there, with the door closed: no other is started before they have gone. */
  const leaving = new Set<number>();
  /** All of them are about to go or are leaving: who waits at a twin is for the next worker. */
  let departing = false;
  /** Until it is looked again whether they can, and why they are to. */
  let look: { timer: Timer; reason: string } | null = null;
  /** A start tells its service, which may come back here before the worker is known. */
  let starting = false;
  /** Whether `workers.min` are to run: not after an end that `restart` leaves at that, until the next client. */
  let keeping = true;
  const idle = createIdleWatch(host, restAfterMs, () => host.listeners(), isQuiet, rest);
  const frost = createFrost(host, {
    settled: () => void (isQuiet() || wake()),
    failed: () => (isKept() ? wake() : stopAll("idle_timeout")),
    expired: () => (isKept() ? undefined : stopAll("max_frozen")),
  });
  const refs = () => [...workers.values()].map(({ ref }) => ref);

  /** Those that `workers.min` keeps stay as they are. */
  function isKept(): boolean {
    return host.config.workers.min > 0;
  }

  /** How long they may be idle; `null` for ever. */
  function restAfterMs(): number | null {
    const { onIdle, idleTimeout } = host.config;
    return onIdle === "freeze" || !isKept() ? idleTimeout : null;
  }

  function isQuiet(): boolean {
    return frost.on ? host.isDeserted(host.listeners()) : host.isQuiet(host.listeners(), refs());
  }

  function mayGrow(): boolean {
    const mayStart = leaving.size === 0 && !departing && !frost.on;
    return mayStart && workers.size > 0 && workers.size < host.config.workers.max;
  }

  /** All workers go on, whoever it is that is there: they share the sockets. */
  function wake(): void {
    frost.thaw();
    host.rewatch();
    growth.watch();
    idle.start();
  }

  /** Where workers run already it is a twin: somebody was on his way to it when the path was turned back. */
  function readable(): void {
    if (starting) return;
    if (workers.size === 0) start();
    else if (waitsAtTwin(host.sys, host.listeners())) stopAll("idle_timeout");
    else if (frost.on) wake();
  }

  function start(): void {
    if (starting) return;
    if (frost.on) wake();
    const listeners = host.listeners();
    const open = workers.size > 0 || chooseQueues(host.sys, listeners);
    const before = takings.look(listeners);
    for (const { fd } of listeners) host.sys.setBlocking(fd, true);
    starting = true;
    const started = launchOne(
      host,
      (standard) => startListen(listeners, host.config.listenPid, standard),
      null,
    );
    starting = false;
    if (!started.ok) return;
    const ref = started.value;
    workers.set(ref.pid, { ref, before, startedAt: host.clock.now(), aged: null });
    keeping = true;
    departing = !open;
    host.rewatch();
    growth.watch();
    if (departing) stopLater(drainMs, "idle_timeout");
    else if (workers.size === 1) idle.start();
  }

  /** They were idle for as long as they may be. */
  function rest(): void {
    if (host.config.onIdle === "stop") stopAll("idle_timeout");
    else if (refs().every(({ wasReady }) => wasReady)) freeze();
    else idle.start();
  }

  function stopAll(reason: string): void {
    if (!leave(refs(), reason)) stay(reason);
  }

  /** Somebody is there: all go on. If others wait for them to go, they do so as soon as they can. */
  function stay(reason: string): void {
    wake();
    if (departing) {
      idle.stop();
      stopLater(drainMs, reason);
    } else if (reason === tooOld) {
      for (const worker of workers.values()) if (worker.aged !== null) aged(worker.ref);
    }
  }

  function stopLater(inMs: number, reason: string): void {
    look?.timer.cancel();
    const timer = host.clock.after(inMs, () => {
      look = null;
      stopAll(reason);
    });
    look = { timer, reason };
  }

  /** From now on the listeners are watched again: a knock wakes the workers, also while they are not quite frozen. */
  function freeze(): void {
    growth.stop();
    idle.stop();
    frost.begin(refs().filter(({ isStopping }) => !isStopping));
    if (frost.on) host.rewatch();
    else idle.start();
  }

  /** The steps are those of departure.ts. @returns false: somebody is there, and they stay */
  function leave(some: readonly HandlerRef[], reason: string): boolean {
    const all = some.length === workers.size;
    const turned = closeDoors(host.sys, host.listeners(), all);
    if (!some.every(({ wasReady }) => wasReady) || !isQuiet()) {
      if (leaving.size === 0) departing = !openDoors(host.sys, host.listeners());
      return false;
    }
    growth.stop();
    if (all) {
      idle.stop();
      departing = true;
    }
    if (turned) stopLater(settleMs, reason);
    else {
      for (const ref of some) {
        leaving.add(ref.pid);
        frost.leave(ref);
        ref.stop(reason);
      }
    }
    host.rewatch();
    return true;
  }

  /** The others go on, and a new one is started as it is for any that has ended. */
  function aged(ref: HandlerRef): void {
    const worker = workers.get(ref.pid);
    worker?.aged?.giveUp();
    if (worker !== undefined) worker.aged = awaitLeave(host, ref, leaveForAge(ref));
  }

  function leaveForAge(ref: HandlerRef): () => boolean {
    return () => isQuiet() && leave([ref], tooOld);
  }

  function gone(ref: HandlerRef, failed: boolean): void {
    const { pid, wasReady } = ref;
    const worker = workers.get(pid);
    if (worker === undefined) return;
    workers.delete(pid);
    frost.leave(ref);
    worker.aged?.giveUp();
    const left = leaving.delete(pid);
    if (left && leaving.size === 0 && workers.size > 0) openDoors(host.sys, host.listeners());
    growth.watch();
    if (!wasReady) host.ended(endedTooSoon);
    if (workers.size > 0) return;
    idle.stop();
    // Before repair: what cannot be put right is closed and bound anew.
    const taken = takings.taken(worker.before, host.listeners());
    for (const listener of host.listeners()) host.repair(listener);
    if (wasReady && !left) host.ended(taken ? null : "the worker took nothing from its sockets");
    if (left || departing) openDoors(host.sys, host.listeners());
    look?.timer.cancel();
    look = null;
    departing = false;
    const { restart } = host.config;
    keeping = restart === "always" || (restart === "on-failure" && failed) || worker.aged !== null;
    host.rewatch();
    keepWarm();
  }

  /** `workers.min` run also when nobody is there. */
  function keepWarm(): void {
    while (keeping && host.mayGoOn() && leaving.size === 0 && workers.size < host.config.workers.min) {
      const before = workers.size;
      start();
      // It could not be started: that is counted, and tried again when its wait is over.
      if (workers.size === before) return;
    }
  }

  function resume(): void {
    keepWarm();
    growth.watch();
  }

  function configured(): void {
    growth.watch();
    if (workers.size > 0 && !departing && !frost.on) idle.goOn();
  }

  function save(carry: Carry): SavedListen {
    const listeners = host.listeners();
    return {
      workers: [...workers.values()].map((worker) => saveWorker(worker, listeners)),
      leaving: [...leaving],
      departing,
      look: look?.reason ?? null,
      keeping,
      takings: takings.save(),
      idle: idle.save(carry),
      frost: frost.save(),
    };
  }

  /**
   * The doors are as they were, since programs are the sockets' own and nodes stand where they stood: so the way on is
   * that from `leaving`, `departing` and the look, which may come a little later than it was to.
   */
  function restore(saved: SavedListen, from: Restored): void {
    const resumeAge = (ref: HandlerRef, age: SavedAging) => resumeLeave(host, ref, leaveForAge(ref), age);
    for (const worker of saved.workers) {
      workers.set(worker.pid, restoreWorker(worker, from, resumeAge));
    }
    for (const pid of saved.leaving) leaving.add(pid);
    ({ departing, keeping } = saved);
    takings.restore(saved.takings);
    frost.restore(saved.frost, refs());
    idle.restore(saved.idle, from.claim);
    growth.watch();
    if (saved.look !== null) stopLater(settleMs, saved.look);
  }

  return {
    ...keepsNothing,
    // Who was let in cannot be put back into the kernel's queue, from which a handler takes everybody.
    receive: (incoming) => {
      for (const { fd } of incoming) host.sys.close(fd);
    },
    accepts: false,
    readable,
    warm: start,
    retire() {
      for (const ref of refs()) ref.stop("replaced");
    },
    resume,
    configured,
    holds: () => workers.size > 0 && !frost.on,
    holdsTwin: () => departing,
    gone,
    aged,
    save,
    restore: (saved, from) => restore(saved as SavedListen, from),
  };
}
