/**
 * `listen`: workers get all listening sockets of the service from 3 on and accept by themselves, by the protocol of
 * sd_listen_fds(3). The first is started when somebody knocks; while any runs, tinetd only looks, now and then, whether
 * connections wait that the workers do not get to, and starts another. All workers share the same open sockets: with
 * one socket each (SO_REUSEPORT), the queue of a worker that goes would go with it.
 */
import type { BoundListener } from "../net/listen.ts";
import { isEmptied } from "../net/waiting.ts";
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
  type StandardDescriptors,
  type Start,
  staysBehind,
} from "./handoff.ts";
import { createIdleWatch, type IdleWatch } from "./idle-watch.ts";
import { type Aging, awaitLeave, tooOld } from "./old-age.ts";
import { createTakings, namesOf, type Waited } from "./takings.ts";

/** How often the queues are looked at while fewer workers run than may. */
const sampleMs = 250;

/** How long a connect(2) that went by the old node of a path may take to get into its queue. */
const settleMs = 20;

/** How often it is looked whether the last one has left, while others wait for the next worker. */
const drainMs = 250;

interface Worker {
  ref: HandlerRef;
  /** What waited when it was started. */
  before: Waited;
  startedAt: number;
  /** Its `max_lifetime` is over: it goes in a moment in which it can. */
  aged: Aging | null;
}

export function createListen(host: HandoffHost): Handoff {
  const { workers: limits, idleTimeout, onIdle, restart } = host.config;
  const workers = new Map<number, Worker>();
  const takings = createTakings(host, limits.max > 1);
  let timer: Timer | null = null;
  /** Who was told to stop because nobody is there, with the door closed: no other is started before they have gone. */
  const leaving = new Set<number>();
  /** All of them are about to go or are leaving: who waits at a twin is for the next worker. */
  let departing = false;
  /** Until it is looked again whether they can. */
  let look: Timer | null = null;
  /** A start tells its service, which may come back here before the worker is known. */
  let starting = false;
  /** Whether `workers.min` are to run: not after an end that `restart` leaves at that, until the next client. */
  let keeping = true;
  const mayRest = onIdle === "freeze" || limits.min === 0;
  const idle = idleTimeout === null || !mayRest ? null : watchIdle(idleTimeout);
  const frost = createFrost(host, {
    settled: () => void (isQuiet() || wake()),
    // Those that `workers.min` keeps stay as they are.
    failed: () => (limits.min > 0 ? wake() : stopAll("idle_timeout")),
    expired: () => (limits.min > 0 ? undefined : stopAll("max_frozen")),
  });

  const waiting = () => host.listeners().flatMap((listener) => host.waiting(listener));
  const refs = () => [...workers.values()].map(({ ref }) => ref);
  const isQuiet = () =>
    frost.on ? host.isDeserted(host.listeners()) : host.isQuiet(host.listeners(), refs());

  /** All workers go on, whoever it is that is there: they share the sockets. */
  function wake(): void {
    frost.thaw();
    host.rewatch();
    sampleLater();
    idle?.start();
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
    openDoors(
      host.sys,
      listeners.filter(({ inherited }) => inherited),
    );
    for (const { fd } of listeners) host.sys.setBlocking(fd, true);
    starting = true;
    const started = launchOne(
      host,
      (standard) => startListen(listeners, host.config.listenPid, standard),
      null,
    );
    starting = false;
    if (!started.ok) return;
    const worker = { ref: started.value, before, startedAt: host.clock.now(), aged: null };
    workers.set(started.value.pid, worker);
    keeping = true;
    departing = !open;
    host.rewatch();
    sampleLater();
    if (departing) stopLater(drainMs, "idle_timeout");
    else if (workers.size === 1) idle?.start();
  }

  function sampleLater(): void {
    timer?.cancel();
    const mayGrow =
      leaving.size === 0 && !departing && !frost.on && workers.size > 0 && workers.size < limits.max;
    timer = mayGrow ? host.clock.after(sampleMs, sample) : null;
  }

  function sample(): void {
    // Names are asked for only when somebody waits: they cost a walk through all of the machine's connections.
    const left = host.listeners().some((listener) => host.queueLength(listener) !== 0) ? waiting() : [];
    if (host.mayGoOn() && left.length > 0 && allHaveBegun(left)) start();
    else sampleLater();
  }

  /** A worker that has taken nothing yet is still at its start: who waits then waits for it, not for another. */
  function allHaveBegun(left: readonly string[]): boolean {
    const { startTimeout } = host.config;
    const since = host.clock.now() - (startTimeout ?? 0);
    return [...workers.values()].every(
      ({ before, startedAt }) => startedAt < since || isEmptied(namesOf(before), left),
    );
  }

  function watchIdle(timeoutMs: number): IdleWatch {
    return createIdleWatch(
      host,
      timeoutMs,
      () => host.listeners(),
      () => isQuiet(),
      () => {
        if (onIdle === "stop") stopAll("idle_timeout");
        else if (refs().every(({ wasReady }) => wasReady)) freeze();
        else idle?.start();
      },
    );
  }

  function stopAll(reason: string): void {
    if (!leave(refs(), reason)) stay(reason);
  }

  /** Somebody is there: all go on. If others wait for them to go, they do so as soon as they can. */
  function stay(reason: string): void {
    wake();
    if (departing) {
      idle?.stop();
      stopLater(drainMs, reason);
    } else if (reason === tooOld) {
      for (const worker of workers.values()) if (worker.aged !== null) aged(worker.ref);
    }
  }

  function stopLater(inMs: number, reason: string): void {
    look?.cancel();
    look = host.clock.after(inMs, () => stopAll(reason));
  }

  /** From now on the listeners are watched again: a knock wakes the workers, also while they are not quite frozen. */
  function freeze(): void {
    timer?.cancel();
    idle?.stop();
    frost.begin(refs().filter(({ isStopping }) => !isStopping));
    if (frost.on) host.rewatch();
    else idle?.start();
  }

  /** The steps are those of departure.ts. @returns false: somebody is there, and they stay */
  function leave(some: readonly HandlerRef[], reason: string): boolean {
    const all = some.length === workers.size;
    const turned = closeDoors(host.sys, host.listeners(), all);
    if (!some.every(({ wasReady }) => wasReady) || !isQuiet()) {
      if (leaving.size === 0) departing = !openDoors(host.sys, host.listeners());
      return false;
    }
    timer?.cancel();
    if (all) {
      idle?.stop();
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
    if (worker !== undefined) worker.aged = awaitLeave(host, ref, () => isQuiet() && leave([ref], tooOld));
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
    sampleLater();
    if (!wasReady) host.ended(endedTooSoon);
    if (workers.size > 0) return;
    idle?.stop();
    // Before repair: what cannot be put right is closed and bound anew.
    const taken = takings.taken(worker.before, host.listeners());
    for (const listener of host.listeners()) host.repair(listener);
    if (wasReady && !left) host.ended(taken ? null : "the worker took nothing from its sockets");
    if (left || departing) openDoors(host.sys, host.listeners());
    look?.cancel();
    departing = false;
    keeping = restart === "always" || (restart === "on-failure" && failed) || worker.aged !== null;
    host.rewatch();
    keepWarm();
  }

  /** `workers.min` run also when nobody is there. */
  function keepWarm(): void {
    while (keeping && host.mayGoOn() && leaving.size === 0 && workers.size < limits.min) {
      const before = workers.size;
      start();
      // It could not be started: that is counted, and tried again when its wait is over.
      if (workers.size === before) return;
    }
  }

  return {
    ...keepsNothing,
    ...staysBehind,
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
    resume: keepWarm,
    holds: () => workers.size > 0 && !frost.on,
    holdsTwin: () => departing,
    gone,
    aged,
  };
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
