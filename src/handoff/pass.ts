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
import { acceptWaiting, remember } from "./accept.ts";
import { connectionMessage } from "./channel.ts";
import { createEntrance, isForSpeakers, type SavedEntrance } from "./entrance.ts";
import type { HandlerRef, Handoff, HandoffHost, Incoming } from "./handoff.ts";
import { endedTooSoon, keepsNothing } from "./handoff.ts";
import {
  closeCopy,
  isUnreceived,
  type Passed,
  restorePassed,
  type SavedPassed,
  savePassed,
  type Unreceived,
} from "./pass-connection.ts";
import { createCrew, type SavedCrew } from "./pass-crew.ts";
import type { Worker } from "./pass-worker.ts";

export interface SavedPass {
  crew: SavedCrew;
  orphans: SavedPassed[];
  entrance: SavedEntrance;
}

/** With `ready = "spawn"` nothing else tells a program that cannot run from one that serves. */
const tookNothing = "the worker ended before it had received a connection";

export function createPass(host: HandoffHost): Handoff {
  const { sys } = host;
  /** Given back by workers that ended before they had received them. */
  const orphans: Unreceived[] = [];
  const crew = createCrew(host, { room: goOn, done: closed });
  const entrance = createEntrance(host, take, () => !host.isStopped());

  const mayTake = () => orphans.length === 0 && crew.pick() !== null;
  /** While starts fail, no worker is to be expected: with `on_limit = "refuse"` clients are told so. */
  const refuses = () => host.config.onLimit === "refuse" && !host.mayStart();
  const room = () => (refuses() ? host.room() : Math.min(host.room(), crew.room()));
  /** How many may be waited for until they speak: as many as the workers together could be given. */
  const roomAtEntrance = () => {
    const { max, connections: most } = host.config.workers;
    if (most === null || refuses()) return host.room();
    const served = crew.all().reduce((sum, { connections }) => sum + connections, 0);
    return Math.min(host.room(), max * most - served - orphans.length - entrance.size());
  };

  function readable(listener: BoundListener): void {
    if (isForSpeakers(host.config, listener)) {
      acceptWaiting(host, listener, entrance.take, roomAtEntrance);
      host.rewatch();
      return;
    }
    if (mayTake() || refuses()) acceptWaiting(host, listener, take, room);
    if (!mayTake()) startIfNeeded();
    host.rewatch();
  }

  function take(arrived: readonly Incoming[]): void {
    for (const incoming of arrived) {
      // Our own copy keeps the connection from ending before its worker has it.
      const end = host.watchEnd(incoming, () => seen(passed));
      const passed: Unreceived = { incoming, connection: remember(incoming, end), worker: null };
      host.opened(passed.connection);
      give(passed);
    }
  }

  /** Sends a connection to the worker with the fewest; if none has room for it, it waits here for the next. */
  function give(passed: Unreceived): void {
    const message = connectionMessage(host.config.name, passed.incoming);
    for (let worker = crew.pick(); worker !== null; worker = crew.pick()) {
      if (worker.send(passed, message)) return;
    }
    orphans.push(passed);
    startIfNeeded();
  }

  function startIfNeeded(): void {
    if (!host.mayStart()) return;
    crew.startIfNeeded();
    // Of a generation that was replaced nobody else tries.
    if (crew.isOver) abandon();
  }

  /** The kernel has seen its end. */
  function seen(passed: Passed): void {
    if (passed.worker !== null) closed(passed, passed.worker);
  }

  function closed(passed: Passed, worker: Worker): void {
    worker.open.delete(passed.connection.id);
    closeCopy(sys, passed);
    host.closed(passed.connection, worker.ref, null);
    crew.rest(worker);
    goOn();
  }

  /** Something has changed for the better: those who were given back come first, then those who wait in the queue. */
  function goOn(): void {
    while (orphans.length > 0 && crew.pick() !== null) {
      const [next] = orphans.splice(0, 1);
      if (next !== undefined) give(next);
    }
    if (orphans.length > 0) startIfNeeded();
    host.rewatch();
  }

  function gone(handler: HandlerRef, failed: boolean): void {
    const worker = crew.leave(handler, failed);
    if (worker === null) return;
    host.ended(failureOf(worker));
    for (const passed of worker.open.values()) {
      passed.worker = null;
      if (isUnreceived(passed)) orphans.push(passed);
      // It was to finish what it had, and that it has done so is said by nothing but its end.
      else if (worker.replaced && !failed) host.closed(passed.connection, handler, null);
      else host.closed(passed.connection, handler, null, "its worker ended");
    }
    worker.open.clear();
    if (host.isStopped()) abandon();
    goOn();
    crew.keepWarm();
  }

  /** No worker will come for those who were given back. */
  function abandon(): void {
    for (const passed of orphans.splice(0)) {
      closeCopy(sys, passed);
      host.closed(passed.connection, null, null, "no worker came to have it");
    }
  }

  return {
    ...keepsNothing,
    accepts: true,
    readable,
    resume() {
      goOn();
      crew.keepWarm();
    },
    configured: crew.configured,
    // While none has room, a start is under way or the maximum is reached: who knocks waits in the kernel's queue.
    holds: (listener) => {
      if (refuses()) return false;
      if (isForSpeakers(host.config, listener)) return roomAtEntrance() <= 0;
      return !mayTake() && !(host.mayStart() && crew.canStart());
    },
    closing() {
      if (!host.isStopped()) return;
      entrance.close();
      crew.finish();
      if (crew.all().length === 0) abandon();
    },
    ready: crew.ready,
    gone,
    aged: crew.aged,
    warm: crew.start,
    surrender: entrance.surrender,
    receive: entrance.take,
    retire: crew.retire,
    connectionsOf: ({ pid }) => crew.of(pid)?.connections ?? 0,
    *connections() {
      for (const { connection } of orphans) yield [connection, null];
      for (const { ref, open } of crew.all())
        for (const { connection } of open.values()) yield [connection, ref];
    },
    save: (carry): SavedPass => ({
      crew: crew.save(carry),
      orphans: orphans.map((passed) => savePassed(passed, host.listeners(), carry)),
      entrance: entrance.save(carry, host.listeners()),
    }),
    restore(saved, from) {
      const state = saved as SavedPass;
      crew.restore(state.crew, from, seen);
      orphans.push(
        ...state.orphans.map((one) => restorePassed(one, host, from, null, seen)).filter(isUnreceived),
      );
      entrance.restore(state.entrance, from);
    },
  };
}

/** Whether a worker that has ended was as good as none; `null` if it was not. */
function failureOf({ ref, received, leaving, channel }: Worker): string | null {
  if (!ref.wasReady) return endedTooSoon;
  // It may have ended before the connection that it was started for could be given to it.
  const isNone = !received && (channel.outstanding.length > 0 || !leaving);
  return isNone ? tookNothing : null;
}
