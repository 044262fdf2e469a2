/**
 * `listen`: workers get all listening sockets of the service from 3 on and accept by themselves, by the protocol of
 * sd_listen_fds(3). The first is started when somebody knocks; while any runs, tinetd only looks, now and then, whether
 * connections wait that the workers do not get to, and starts another. All workers share the same open sockets: with
 * one socket each (SO_REUSEPORT), the queue of a worker that goes would go with it.
 */
import type { BoundListener } from "../net/listen.ts";
import { isEmptied } from "../net/waiting.ts";
import type { Timer } from "../util/clock.ts";
import { closeDoors, openDoors } from "./departure.ts";
import {
  endedTooSoon,
  type HandlerRef,
  type Handoff,
  type HandoffHost,
  keepsNothing,
  launchOne,
  type StandardDescriptors,
  type Start,
} from "./handoff.ts";
import { createIdleWatch, type IdleWatch } from "./idle-watch.ts";

/** How often the queues are looked at while fewer workers run than may. */
const sampleMs = 250;

interface Worker {
  ref: HandlerRef;
  /** What waited when it was started. */
  before: readonly string[];
  startedAt: number;
}

export function createListen(host: HandoffHost): Handoff {
  const { workers: limits, idleTimeout, restart } = host.config;
  const workers = new Map<number, Worker>();
  let timer: Timer | null = null;
  /** The workers were told to stop because nobody is there: no other is started before they have gone. */
  let leaving = false;
  /** A start tells its service, which may come back here before the worker is known. */
  let starting = false;
  /** Whether `workers.min` are to run: not after an end that `restart` leaves at that, until the next client. */
  let keeping = true;
  const idle = idleTimeout === null || limits.min > 0 ? null : watchIdle(idleTimeout);

  const waiting = () => host.listeners().flatMap((listener) => host.waiting(listener));
  const refs = () => [...workers.values()].map(({ ref }) => ref);
  const isQuiet = () => host.isQuiet(host.listeners(), refs());

  function start(): void {
    if (starting) return;
    const listeners = host.listeners();
    const before = waiting();
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
    workers.set(started.value.pid, { ref: started.value, before, startedAt: host.clock.now() });
    keeping = true;
    host.rewatch();
    sampleLater();
    if (workers.size === 1) idle?.start();
  }

  function sampleLater(): void {
    timer?.cancel();
    const mayGrow = !leaving && workers.size > 0 && workers.size < limits.max;
    timer = mayGrow ? host.clock.after(sampleMs, sample) : null;
  }

  function sample(): void {
    const left = waiting();
    if (host.mayGoOn() && left.length > 0 && allHaveBegun(left)) start();
    else sampleLater();
  }

  /** A worker that has taken nothing yet is still at its start: who waits then waits for it, not for another. */
  function allHaveBegun(left: readonly string[]): boolean {
    const { startTimeout } = host.config;
    const since = host.clock.now() - (startTimeout ?? 0);
    return [...workers.values()].every(
      ({ before, startedAt }) => startedAt < since || isEmptied(before, left),
    );
  }

  function watchIdle(timeoutMs: number): IdleWatch {
    return createIdleWatch(
      host,
      timeoutMs,
      () => host.listeners(),
      () => isQuiet(),
      leave,
    );
  }

  /** The steps are those of departure.ts. */
  function leave(): void {
    closeDoors(host.sys, host.listeners());
    if (!isQuiet()) {
      openDoors(host.sys, host.listeners());
      idle?.start();
      return;
    }
    leaving = true;
    timer?.cancel();
    idle?.stop();
    for (const ref of refs()) ref.stop("idle_timeout");
  }

  function gone({ pid, wasReady }: HandlerRef, failed: boolean): void {
    const worker = workers.get(pid);
    if (worker === undefined) return;
    workers.delete(pid);
    sampleLater();
    if (!wasReady) host.ended(endedTooSoon);
    if (workers.size > 0) return;
    idle?.stop();
    for (const listener of host.listeners()) host.repair(listener);
    if (wasReady && !leaving) {
      host.ended(isEmptied(worker.before, waiting()) ? null : "the worker took nothing from its sockets");
    }
    if (leaving) openDoors(host.sys, host.listeners());
    leaving = false;
    keeping = restart === "always" || (restart === "on-failure" && failed);
    host.rewatch();
    keepWarm();
  }

  /** `workers.min` run also when nobody is there. */
  function keepWarm(): void {
    while (keeping && host.mayGoOn() && !leaving && workers.size < limits.min) {
      const before = workers.size;
      start();
      // It could not be started: that is counted, and tried again when its wait is over.
      if (workers.size === before) return;
    }
  }

  return {
    ...keepsNothing,
    accepts: false,
    readable: start,
    resume: keepWarm,
    holds: () => workers.size > 0,
    gone,
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
