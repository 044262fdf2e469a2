/**
 * `pass`: workers keep running and receive each accepted connection as a descriptor, over a channel of one of two
 * protocols. A connection is accepted only when a ready worker has room for it; until then it waits in the kernel's
 * queue, so that nobody is lost by a worker that is slow to start or dies on the way.
 *
 * The life of a connection here: accepted → sent (`channel.outstanding`, our copy is kept) → received (our copy is
 * closed) → done, said by the worker or seen by the kernel. A worker that ends before it has received a connection
 * gives it back: another gets it.
 */

import type { BoundListener } from "../net/listen.ts";
import type { Timer } from "../util/clock.ts";
import { acceptWaiting, remember } from "./accept.ts";
import { type Channel, type ChannelEvents, connectionMessage, type Outstanding } from "./channel.ts";
import { NodeChannel } from "./channel-node.ts";
import { SeqpacketChannel } from "./channel-seqpacket.ts";
import { createEntrance, isForSpeakers } from "./entrance.ts";
import { createFrost, type Frost } from "./frost.ts";
import type {
  Connection,
  HandlerRef,
  Handoff,
  HandoffHost,
  Incoming,
  StandardDescriptors,
  Start,
} from "./handoff.ts";
import { endedTooSoon, keepsNothing, launchOne, staysBehind } from "./handoff.ts";
import { tooOld } from "./old-age.ts";
import { choose, isFull, type Load, roomOf } from "./pass-choice.ts";

interface Passed {
  incoming: Incoming;
  connection: Connection;
  /** Who has it, or is to have it. */
  worker: Worker | null;
}

/** With `ready = "spawn"` nothing else tells a program that cannot run from one that serves. */
const tookNothing = "the worker ended before it had received a connection";

class Worker implements Load {
  ready = false;
  /** Its channel has no room for another message at the moment. */
  blocked = false;
  /** It was told to finish and go: it is not needed any more, has served enough, or the service is stopped. */
  replaced = false;
  /** Its channel is of no use any more. */
  broken = false;
  /** Its `max_lifetime` is over: it finishes what it has. */
  aged = false;
  served = 0;
  /** It has received one at least. */
  received = false;
  idleTimer: Timer | null = null;
  readonly open = new Map<number, Passed>();
  readonly ref: HandlerRef;
  readonly channel: Channel;
  readonly frost: Frost;

  constructor(ref: HandlerRef, channel: Channel, frostOf: (worker: Worker) => Frost) {
    this.ref = ref;
    this.channel = channel;
    this.frost = frostOf(this);
  }

  get frozen(): boolean {
    return this.frost.on;
  }

  get connections(): number {
    return this.open.size;
  }

  /** It has been told to end, by whomever. */
  get leaving(): boolean {
    return this.replaced || this.broken || this.ref.isStopping;
  }

  /** It gets nothing new. */
  get retiring(): boolean {
    return this.leaving || this.aged;
  }
}

export function createPass(host: HandoffHost): Handoff {
  const { config, sys, clock } = host;
  const { min, max, connections: most, maxServed } = config.workers;
  const { restart } = config;
  /** Whether `min` workers are to run: not after an end that `restart` leaves at that, until the next client. */
  let keeping = true;
  const limits = { connections: most, maxServed };
  const workers = new Map<number, Worker>();
  /** A start tells its service, which may come back here before the worker is known. */
  let starting = false;
  /** Newcomers go to others: workers end with their last connection. */
  let retired = false;
  /** Given back by workers that ended before they had received them. */
  const orphans: Passed[] = [];
  const ChannelKind = config.protocol === "node" ? NodeChannel : SeqpacketChannel;

  /** It gets nothing new any more, and only finishes what it has. */
  const isFinishing = ({ aged, served }: Worker) => aged || (maxServed !== null && served >= maxServed);
  const counted = () => [...workers.values()].filter((worker) => !isFinishing(worker)).length;
  const pick = () => choose([...workers.values()], limits);
  const mayTake = () => orphans.length === 0 && pick() !== null;
  /** While starts fail, no worker is to be expected: with `on_limit = "refuse"` clients are told so. */
  const refuses = () => host.config.onLimit === "refuse" && !host.mayStart();
  const room = () => (refuses() ? host.room() : Math.min(host.room(), roomOf([...workers.values()], limits)));

  const entrance = createEntrance(host, take, () => !host.isStopped());
  /** How many may be waited for until they speak: as many as the workers together could be given. */
  const roomAtEntrance = () => {
    if (most === null || refuses()) return host.room();
    const served = [...workers.values()].reduce((sum, { connections }) => sum + connections, 0);
    return Math.min(host.room(), max * most - served - orphans.length - entrance.size);
  };

  function readable(listener: BoundListener): void {
    if (isForSpeakers(config, listener)) {
      acceptWaiting({ ...host, room: roomAtEntrance }, listener, entrance.take);
      host.rewatch();
      return;
    }
    if (mayTake() || refuses()) acceptWaiting({ ...host, room }, listener, take);
    if (!mayTake()) startIfNeeded();
    host.rewatch();
  }

  function take(arrived: readonly Incoming[]): void {
    for (const incoming of arrived) {
      // Our own copy keeps the connection from ending before its worker has it.
      const end = host.watchEnd(incoming, () => seen(passed));
      const passed: Passed = { incoming, connection: remember(incoming, end), worker: null };
      host.opened(passed.connection);
      give(passed);
    }
  }

  /** Sends a connection to the worker with the fewest; if none has room for it, it waits here for the next. */
  function give(passed: Passed): void {
    const message = connectionMessage(config.name, passed.incoming);
    for (let worker = pick(); worker !== null; worker = pick()) {
      if (send(worker, passed, message)) return;
      worker.blocked = true;
    }
    orphans.push(passed);
    startIfNeeded();
  }

  function send(worker: Worker, passed: Passed, message: string): boolean {
    const { id, fd } = passed.incoming;
    worker.open.set(id, passed);
    if (!worker.channel.send({ id, fd }, message)) {
      worker.open.delete(id);
      return false;
    }
    passed.worker = worker;
    worker.served += 1;
    worker.idleTimer?.cancel();
    worker.frost.thaw();
    worker.ref.worked();
    return true;
  }

  function startIfNeeded(): void {
    if (!host.mayStart()) return;
    if (hasPlace() && [...workers.values()].every((worker) => worker.ready || worker.retiring)) start();
    // Of a generation that was replaced nobody else tries.
    if (retired && workers.size === 0) abandon();
  }

  /** Those that finish are replaced before they have gone, for that may take long: but never more than `max` of them. */
  function hasPlace(): boolean {
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
    let worker: Worker | null = null;
    const channel = new ChannelKind(
      sys,
      eventsOf(() => worker),
    );
    const started = launchOne(host, (standard) => startPass(channel, standard), null);
    channel.spawned();
    if (!started.ok) {
      channel.close();
      return null;
    }
    worker = new Worker(started.value, channel, frostOf);
    return worker;
  }

  function frostOf(worker: Worker): Frost {
    return createFrost(host, {
      // Who comes, comes through us: nobody can have come meanwhile.
      settled: () => {},
      failed: () => {
        if (!retireIfSpare(worker, "idle")) rest(worker);
      },
      expired: () => void retireIfSpare(worker, "max_frozen"),
    });
  }

  function eventsOf(worker: () => Worker | null): ChannelEvents {
    const on = (react: (known: Worker) => void) => {
      const known = worker();
      if (known !== null) react(known);
    };
    return {
      received: (connections) => on((known) => received(known, connections)),
      room: () =>
        on((known) => {
          known.blocked = false;
          goOn();
        }),
      done: (id) => on((known) => done(known, id)),
      ready: () => on((known) => known.ref.saysReady()),
      broken: (reason) =>
        on((known) => {
          known.broken = true;
          known.ref.stop(reason);
        }),
    };
  }

  /** The worker has it: our copy would only keep the connection from ending. */
  function received(worker: Worker, connections: readonly Outstanding[]): void {
    worker.received = true;
    for (const { fd } of connections) sys.close(fd);
  }

  /** The worker has closed it: it has room for another, while the kernel may still be at the end of this one. */
  function done(worker: Worker, id: number): void {
    const passed = worker.open.get(id);
    if (passed === undefined) return;
    closed(worker, passed);
  }

  /** The kernel has seen its end. */
  function seen(passed: Passed): void {
    if (passed.worker !== null) closed(passed.worker, passed);
  }

  function closed(worker: Worker, passed: Passed): void {
    worker.open.delete(passed.incoming.id);
    host.closed(passed.connection, worker.ref, null);
    rest(worker);
    goOn();
  }

  /** A worker with nothing to do is replaced if it has served enough, and frozen or taken away once it was idle. */
  function rest(worker: Worker): void {
    if (worker.open.size > 0) return;
    worker.ref.rested();
    if (retired) {
      retire(worker, "replaced");
      return;
    }
    if (isFinishing(worker)) {
      retire(worker, worker.aged ? tooOld : "max_served");
      return;
    }
    if (config.idleTimeout === null) return;
    worker.idleTimer?.cancel();
    worker.idleTimer = clock.after(config.idleTimeout, () => {
      if (worker.open.size > 0 || worker.retiring) return;
      if (config.onIdle === "freeze") worker.frost.begin([worker.ref]);
      else retireIfSpare(worker, "idle");
    });
  }

  /** Those that `workers.min` keeps stay as they are. */
  function retireIfSpare(worker: Worker, reason: string): boolean {
    const others = [...workers.values()].filter((other) => other !== worker && !other.retiring);
    if (others.length < min) return false;
    retire(worker, reason);
    return true;
  }

  /** It finishes what it has, beside the one that is started for who comes next. */
  function aged({ pid }: HandlerRef): void {
    const worker = workers.get(pid);
    if (worker === undefined) return;
    worker.aged = true;
    if (worker.open.size === 0) retire(worker, tooOld);
    keepWarm();
    goOn();
  }

  /** End of file tells it to finish and exit; the stop signal says the same to one that does not listen. */
  function retire(worker: Worker, reason: string): void {
    if (worker.leaving) return;
    worker.replaced = true;
    worker.frost.leave(worker.ref);
    worker.channel.close();
    worker.ref.stop(reason);
  }

  /** Something has changed for the better: those who were given back come first, then those who wait in the queue. */
  function goOn(): void {
    while (orphans.length > 0 && pick() !== null) {
      const [next] = orphans.splice(0, 1);
      if (next !== undefined) give(next);
    }
    if (orphans.length > 0) startIfNeeded();
    host.rewatch();
  }

  function ready({ pid }: HandlerRef): void {
    const worker = workers.get(pid);
    if (worker === undefined) return;
    worker.ready = true;
    rest(worker);
    goOn();
  }

  function gone({ pid, wasReady }: HandlerRef, failed: boolean): void {
    const worker = workers.get(pid);
    if (worker === undefined) return;
    workers.delete(pid);
    keeping = restart === "always" || (restart === "on-failure" && failed) || worker.replaced;
    worker.idleTimer?.cancel();
    worker.frost.leave(worker.ref);
    worker.channel.finish();
    const unreceived = new Set(worker.channel.outstanding.map(({ id }) => id));
    worker.channel.close();
    if (!wasReady) host.ended(endedTooSoon);
    else {
      // It may have ended before the connection that it was started for could be given to it.
      const isNone = !worker.received && (unreceived.size > 0 || !worker.leaving);
      host.ended(isNone ? tookNothing : null);
    }
    for (const [id, passed] of worker.open) {
      passed.worker = null;
      if (unreceived.has(id)) orphans.push(passed);
      // It was to finish what it had, and that it has done so is said by nothing but its end.
      else if (worker.replaced && !failed) host.closed(passed.connection, worker.ref, null);
      else host.closed(passed.connection, worker.ref, null, "its worker ended");
    }
    worker.open.clear();
    if (host.isStopped()) abandon();
    goOn();
    keepWarm();
  }

  /** The service is stopped: no worker will come for those who were given back. */
  function abandon(): void {
    for (const { incoming, connection } of orphans.splice(0)) {
      sys.close(incoming.fd);
      host.closed(connection, null, null, "no worker came to have it");
    }
  }

  /** `workers.min` run also when nobody is there. */
  function keepWarm(): void {
    while (keeping && host.mayGoOn() && counted() < min && hasPlace()) {
      const before = workers.size;
      start();
      if (workers.size === before) return;
    }
  }

  return {
    ...keepsNothing,
    ...staysBehind,
    accepts: true,
    readable,
    resume() {
      goOn();
      keepWarm();
    },
    // While none has room, a start is under way or the maximum is reached: who knocks waits in the kernel's queue.
    holds: (listener) => {
      if (refuses()) return false;
      return isForSpeakers(config, listener) ? roomAtEntrance() <= 0 : !mayTake() && !canStart();
    },
    closing() {
      if (!host.isStopped()) return;
      entrance.close();
      for (const worker of workers.values()) {
        worker.replaced = true;
        worker.channel.end();
      }
      if (workers.size === 0) abandon();
    },
    ready,
    gone,
    aged,
    warm: start,
    surrender: entrance.surrender,
    receive: entrance.take,
    retire() {
      retired = true;
      for (const worker of workers.values()) rest(worker);
    },
    connectionsOf: ({ pid }) => workers.get(pid)?.open.size ?? 0,
    *connections() {
      for (const { connection } of orphans) yield [connection, null];
      for (const { ref, open } of workers.values())
        for (const { connection } of open.values()) yield [connection, ref];
    },
  };

  function canStart(): boolean {
    if (!host.mayStart() || !hasPlace()) return false;
    return [...workers.values()].every(
      (worker) => worker.retiring || (worker.ready && isFull(worker, limits)),
    );
  }
}

/** The channel is 3; what a worker prints goes where its stderr goes. */
export function startPass({ theirs, variables }: Channel, { nothing, stderr }: StandardDescriptors): Start {
  const second = stderr === "connection" ? nothing : stderr;
  return { descriptors: [nothing, second, second, theirs], variables };
}
