/**
 * The workers of `pass`: how many run, when another is started, who gets the next connection, and when one that is idle,
 * old or has served enough is told to go. Whether anybody waits to be served is the business of `pass.ts`.
 */
import type { Carry } from "../native/carry.ts";
import type { Fd } from "../native/sys.ts";
import type { ChannelKind } from "./channel.ts";
import { nodeChannel } from "./channel-node.ts";
import { seqpacketChannel } from "./channel-seqpacket.ts";
import type { HandlerRef, HandoffHost, Restored, StandardDescriptors, Start } from "./handoff.ts";
import { launchOne } from "./handoff.ts";
import { tooOld } from "./old-age.ts";
import { choose, isFull, roomOf } from "./pass-choice.ts";
import type { Passed } from "./pass-connection.ts";
import { type SavedWorker, Worker, type WorkerEvents } from "./pass-worker.ts";

export interface CrewEvents {
  /** Something has changed for the better: there may be room where there was none. */
  room(): void;
  /** A worker says that it has closed this one. */
  done(passed: Passed, worker: Worker): void;
}

export interface Crew {
  all(): readonly Worker[];
  of(pid: number): Worker | undefined;
  /** Who gets the next connection; `null` if nobody has room for it. */
  pick(): Worker | null;
  /** How many connections there is room for. */
  room(): number;
  /** Whether another one may be started for those who wait. */
  canStart(): boolean;
  /** Starts one, if there may be another and none is on its way. */
  startIfNeeded(): void;
  /** Starts one in any case. */
  start(): void;
  /** `workers.min` run also when nobody is there. */
  keepWarm(): void;
  /** `workers.min` may be another, and how long those may rest who have nothing to do. */
  configured(): void;
  /** A worker has nothing to do any more. */
  rest(worker: Worker): void;
  ready(handler: HandlerRef): void;
  aged(handler: HandlerRef): void;
  /** It has ended. @returns the worker that is not among them any more */
  leave(handler: HandlerRef, failed: boolean): Worker | null;
  /** Newcomers go to others: each ends with its last connection. */
  retire(): void;
  /** It was told to retire, and nobody is left. */
  readonly isOver: boolean;
  /** All are to finish what they have and go, which they are told by their channels alone. */
  finish(): void;
  save(carry: Carry): SavedCrew;
  /** @param onEnd the kernel has seen the end of a connection */
  restore(saved: SavedCrew, from: Restored, onEnd: (passed: Passed) => void): void;
}

export interface SavedCrew {
  keeping: boolean;
  retired: boolean;
  workers: SavedWorker[];
}

export function createCrew(host: HandoffHost, events: CrewEvents): Crew {
  const { sys } = host;
  const channelKind: ChannelKind = host.config.protocol === "node" ? nodeChannel : seqpacketChannel;
  const workers = new Map<number, Worker>();
  /** Whether `min` workers are to run: not after an end that `restart` leaves at that, until the next client. */
  let keeping = true;
  /** A start tells its service, which may come back here before the worker is known. */
  let starting = false;
  let retired = false;

  const all = () => [...workers.values()];
  /** A reload may change them at any time. */
  const limits = () => host.config.workers;
  /** It gets nothing new any more, and only finishes what it has. */
  const isFinishing = (worker: Worker) => worker.aged || hasServedEnough(worker);
  const hasServedEnough = ({ served }: Worker) => served >= (limits().maxServed ?? Number.POSITIVE_INFINITY);
  const counted = () => all().filter((worker) => !isFinishing(worker)).length;

  const workerEvents: WorkerEvents = {
    ...events,
    idle(worker) {
      if (worker.open.size > 0 || worker.retiring) return;
      if (host.config.onIdle === "freeze") worker.frost.begin([worker.ref]);
      else dismissIfSpare(worker, "idle");
    },
    unfrozen(worker) {
      if (!dismissIfSpare(worker, "idle")) rest(worker);
    },
    frozenTooLong: (worker) => void dismissIfSpare(worker, "max_frozen"),
  };

  function startIfNeeded(): void {
    if (hasPlace() && all().every((worker) => worker.ready || worker.retiring)) start();
  }

  /** Those that finish are replaced before they have gone, for that may take long: but never more than `max` of them. */
  function hasPlace(): boolean {
    const { max } = limits();
    return counted() < max && workers.size < 2 * max;
  }

  function start(): void {
    if (starting) return;
    starting = true;
    const worker = launch();
    starting = false;
    if (worker === null) return;
    workers.set(worker.ref.pid, worker);
    keeping = true;
    // With `ready = "spawn"` it was ready before it was known here.
    if (worker.ref.wasReady) ready(worker.ref);
  }

  function launch(): Worker | null {
    const { channel, theirs } = channelKind.create(sys);
    const started = launchOne(host, (standard) => startWith(theirs, channelKind, standard), null);
    sys.close(theirs);
    if (started.ok) return new Worker(host, started.value, channel, workerEvents);
    channel.close();
    return null;
  }

  function ready({ pid }: HandlerRef): void {
    const worker = workers.get(pid);
    if (worker === undefined) return;
    worker.ready = true;
    rest(worker);
    events.room();
  }

  /** A worker with nothing to do is replaced if it has served enough, and frozen or taken away once it was idle. */
  function rest(worker: Worker): void {
    // One that has ended says so behind all that it was done with: nothing is to become of it any more.
    if (worker.open.size > 0 || workers.get(worker.ref.pid) !== worker) return;
    worker.ref.rested();
    if (retired) dismiss(worker, "replaced");
    else if (isFinishing(worker)) dismiss(worker, worker.aged ? tooOld : "max_served");
    else worker.rest.begin();
  }

  /** Those that `workers.min` keeps stay as they are. */
  function dismissIfSpare(worker: Worker, reason: string): boolean {
    const others = all().filter((other) => other !== worker && !other.retiring);
    if (others.length < limits().min) return false;
    dismiss(worker, reason);
    return true;
  }

  /** End of file tells it to finish and exit; the stop signal says the same to one that does not listen. */
  function dismiss(worker: Worker, reason: string): void {
    if (worker.leaving) return;
    worker.replaced = true;
    worker.frost.leave(worker.ref);
    worker.channel.close();
    worker.ref.stop(reason);
  }

  function keepWarm(): void {
    while (keeping && host.mayGoOn() && counted() < limits().min && hasPlace()) {
      const before = workers.size;
      start();
      if (workers.size === before) return;
    }
  }

  return {
    all,
    of: (pid) => workers.get(pid),
    pick: () => choose(all(), limits()),
    room: () => roomOf(all(), limits()),
    canStart: () =>
      hasPlace() && all().every((worker) => worker.retiring || (worker.ready && isFull(worker, limits()))),
    startIfNeeded,
    start,
    keepWarm,
    configured() {
      for (const worker of all()) worker.rest.review();
      keepWarm();
    },
    rest,
    ready,
    /** It finishes what it has, beside the one that is started for who comes next. */
    aged({ pid }) {
      const worker = workers.get(pid);
      if (worker === undefined) return;
      worker.aged = true;
      if (worker.open.size === 0) dismiss(worker, tooOld);
      keepWarm();
      events.room();
    },
    leave({ pid }, failed) {
      const worker = workers.get(pid);
      if (worker === undefined) return null;
      workers.delete(pid);
      const { restart } = host.config;
      keeping = restart === "always" || (restart === "on-failure" && failed) || worker.replaced;
      worker.end();
      return worker;
    },
    retire() {
      retired = true;
      for (const worker of all()) rest(worker);
    },
    get isOver() {
      return retired && workers.size === 0;
    },
    finish() {
      for (const worker of all()) {
        worker.replaced = true;
        worker.channel.end();
      }
    },
    save: (carry) => ({
      keeping,
      retired,
      workers: all().map((worker) => worker.save(carry, host.listeners())),
    }),
    restore(saved, from, onEnd) {
      keeping = saved.keeping;
      retired = saved.retired;
      for (const one of saved.workers) {
        const ref = from.handlers.get(one.pid);
        if (ref === undefined) throw new Error(`worker ${one.pid} is not among the handlers`);
        const channel = channelKind.restore(sys, one.channel, from.claim);
        const worker = new Worker(host, ref, channel, workerEvents);
        workers.set(ref.pid, worker);
        worker.restore(one, from, onEnd);
      }
    },
  };
}

/** The channel is 3; what a worker prints goes where its stderr goes. */
function startWith(theirs: Fd, { variables }: ChannelKind, { nothing, stderr }: StandardDescriptors): Start {
  const second = stderr === "connection" ? nothing : stderr;
  return { descriptors: [nothing, second, second, theirs], variables };
}
