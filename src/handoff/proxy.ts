/**
 * `proxy`: scales a daemon to zero that knows nothing of sockets it is given. It is started when somebody comes, listens
 * at an address of its own (`upstream`), and each connection is relayed to it.
 *
 * The life of a connection here: let in → in line, while the daemon is not ready (proxy-line.ts) → connected to the
 * daemon (proxy-passage.ts) → relayed (relays.ts), to its end. Since tinetd does the accepting, nobody can come between the decision
 * to stop an idle daemon and its end: who knocks then waits in the kernel's queue, for the next daemon.
 */

import type { Carry, Saved } from "../native/carry.ts";
import type { Bytes } from "../net/ends.ts";
import type { BoundListener } from "../net/listen.ts";
import type { Timer } from "../util/clock.ts";
import { acceptWaiting, remember } from "./accept.ts";
import { createEntrance, type SavedEntrance } from "./entrance.ts";
import type {
  Client,
  HandlerRef,
  Handoff,
  HandoffHost,
  Incoming,
  Restored,
  StandardDescriptors,
  Start,
} from "./handoff.ts";
import { endedTooSoon, keepsNothing, launchOne } from "./handoff.ts";
import { ProxyLine, restoreClient, type SavedLine } from "./proxy-line.ts";
import { createPassage } from "./proxy-passage.ts";
import { ProxyWorker, type SavedProxyWorker } from "./proxy-worker.ts";
import { type Relayed, Relays, type SavedRelays } from "./relays.ts";
import { type SavedIncoming, saveIncoming } from "./saved.ts";

/** With `ready = "spawn"` nothing else tells a program that cannot run from one that serves. */
const tookNothing = "the worker ended before it had taken a connection";

/** Between two tries to start a daemon; `start_limit` makes the wait longer when they keep failing. */
const retryMs = 100;

/** How long a connection may rest whose daemon has gone. When the whole service is to go, less, and not for ever. */
const bereavedQuietMs = 5_000;
const stoppedQuietMs = 250;
const stoppedMostMs = 5_000;

/** As another process takes it up (an upgrade). */
export interface SavedProxy {
  entrance: SavedEntrance;
  line: SavedLine;
  relays: SavedRelays;
  worker: SavedProxyWorker | null;
  /** Those who are being connected to the worker. */
  connecting: SavedIncoming[];
  keeping: boolean;
  retired: boolean;
}

export function createProxy(host: HandoffHost): Handoff {
  const { sys, clock } = host;
  const line = new ProxyLine(host);
  const relays = new Relays(sys, clock, relayEnded);
  const passage = createPassage(host, line, relays);
  let worker: ProxyWorker | null = null;
  /** A start tells its service, which may come back here before the worker is known. */
  let starting = false;
  /** The daemon could not be started: tried again for those who wait, until `start_limit` is reached. */
  let retry: Timer | null = null;
  /** Whether `workers.min` is to run: not after an end that `restart` leaves at that, until the next client. */
  let keeping = true;
  /** Another generation serves who comes. */
  let retired = false;

  const entrance = createEntrance(host, enter, () => !host.isStopped());

  /** While starts fail, no daemon is to be expected: with `on_limit = "refuse"` clients are told so. */
  const refuses = () => host.config.onLimit === "refuse" && !host.mayStart();
  const mayTake = () => refuses() || (worker === null ? host.mayStart() : !worker.ref.isStopping);

  function readable(listener: BoundListener): void {
    if (mayTake()) acceptWaiting(host, listener, entrance.take);
    startIfNeeded();
    if (!mayTake()) host.rewatch();
  }

  /** Whoever has spoken first, where clients are to. */
  function enter(arrived: readonly Incoming[]): void {
    take(arrived);
    startIfNeeded();
  }

  function take(arrived: readonly Incoming[]): void {
    for (const incoming of arrived) {
      const connection = remember(incoming);
      host.opened(connection);
      admit({ incoming, connection });
    }
  }

  function admit(client: Client): void {
    if (worker?.canServe) passage.connect(client, worker);
    else line.add(client);
  }

  // -- until there is a daemon --------------------------------------------------------------------------------------

  /** Starts the daemon for those who wait. */
  function startIfNeeded(): void {
    if (worker === null && line.size > 0 && host.mayStart()) start();
    if (refuses()) line.turnAway("its worker cannot be started");
  }

  function start(): void {
    if (starting) return;
    starting = true;
    passage.prepare();
    const started = launchOne(host, startProxy, null);
    starting = false;
    retry?.cancel();
    retry = started.ok ? null : clock.after(retryMs, startIfNeeded);
    if (!started.ok) return;
    worker = new ProxyWorker(host, started.value);
    keeping = true;
    // With `ready = "spawn"` it was ready before it was known here.
    if (worker.ref.wasReady) ready(worker.ref);
  }

  /** The service is stopped: no daemon will come. */
  function abandon(): void {
    line.close();
    retry?.cancel();
    if (worker === null) relays.bereave(null, stoppedQuietMs, stoppedMostMs);
  }

  // -- with a daemon ------------------------------------------------------------------------------------------------

  function ready({ pid }: HandlerRef): void {
    if (worker?.ref.pid !== pid) return;
    worker.ready = true;
    serveHeld();
    worker.rest();
  }

  function serveHeld(): void {
    while (worker?.canServe) {
      const client = line.shift();
      if (client === null) return;
      passage.connect(client, worker);
    }
  }

  function relayEnded({ connection, worker: by }: Relayed, bytes: Bytes, error?: string): void {
    host.closed(connection, by, bytes, error);
    if (worker?.ref !== by) return;
    worker.relayed -= 1;
    worker.rest();
  }

  function gone({ pid }: HandlerRef, failed: boolean): void {
    if (worker?.ref.pid !== pid) return;
    const was = worker;
    worker = null;
    was.close();
    const { restart } = host.config;
    keeping = restart === "always" || (restart === "on-failure" && failed) || was.isAged;
    // Asked to end, it may have taken nothing because nobody came.
    const wanted = was.connecting.size > 0 || !was.ref.isStopping;
    for (const [client, giveUp] of was.connecting) {
      giveUp();
      line.add(client);
    }
    if (!was.ref.wasReady) host.ended(endedTooSoon);
    else host.ended(wanted && !was.served ? tookNothing : null);
    if (host.isStopped()) abandon();
    else bereave(was);
    goOn();
  }

  /** What it has left behind may still serve its connections, unless all of its tree went with it. */
  function bereave({ ref, relayed }: ProxyWorker): void {
    if (relayed > 0 && host.config.killMode === "tree") relays.bereave(ref, bereavedQuietMs);
  }

  /** Newcomers go to another generation. Whoever still waits here waits for a worker that is on its way, or in vain. */
  function retire(): void {
    retired = true;
    worker?.retire();
    goOn();
  }

  /** Something has changed for the better. */
  function goOn(): void {
    serveHeld();
    if (retired && worker === null) line.turnAway("its worker was replaced");
    startIfNeeded();
    if (worker === null && keeping && host.config.workers.min > 0 && host.mayGoOn()) start();
    host.rewatch();
  }

  // -- over an upgrade ----------------------------------------------------------------------------------------------

  function save(carry: Carry): SavedProxy {
    const listeners = host.listeners();
    const connecting = [...(worker?.connecting.keys() ?? [])];
    return {
      entrance: entrance.save(carry, listeners),
      line: line.save(carry),
      relays: relays.save(carry, worker?.ref ?? null),
      worker: worker?.save() ?? null,
      connecting: connecting.map(({ incoming }) => saveIncoming(incoming, listeners, carry)),
      keeping,
      retired,
    };
  }

  function restore(saved: Saved, from: Restored): void {
    const was = saved as SavedProxy;
    keeping = was.keeping;
    retired = was.retired;
    entrance.restore(was.entrance, from);
    line.restore(was.line, from);
    const ref = was.worker === null ? null : from.handlers.get(was.worker.pid);
    if (ref === undefined) throw new Error(`the worker of "${host.config.name}" is not there`);
    const relayed = relays.restore(was.relays, from.claim, ref);
    if (was.worker === null || ref === null) {
      // It could not be started, and was to be tried again.
      if (line.size > 0) retry = clock.after(retryMs, startIfNeeded);
      return;
    }
    worker = new ProxyWorker(host, ref);
    worker.relayed = relayed;
    for (const one of was.connecting) passage.connectAgain(restoreClient(one, from), worker);
    worker.restore(was.worker);
  }

  return {
    ...keepsNothing,
    surrender: entrance.surrender,
    receive: entrance.take,
    surrenderClients: () => [...line.surrender()],
    receiveClients(clients) {
      for (const client of clients) admit(client);
      startIfNeeded();
    },
    accepts: true,
    readable,
    resume: goOn,
    configured: () => worker?.configured(),
    // While it is being stopped, or cannot be started: who knocks waits in the kernel's queue.
    holds: () => !mayTake(),
    closing() {
      if (!host.isStopped()) return;
      entrance.close();
      abandon();
    },
    ready,
    gone,
    save,
    restore,
    warm: start,
    retire,
    aged({ pid }) {
      if (worker?.ref.pid === pid) worker.aged();
    },
    connectionsOf: ({ pid }) => (worker?.ref.pid === pid ? worker.connections : 0),
    *connections() {
      for (const { connection } of line.clients()) yield [connection, null];
      for (const { connection } of worker?.connecting.keys() ?? []) yield [connection, worker?.ref ?? null];
      for (const { connection, worker: by } of relays.open.values()) yield [connection, by];
    },
  };
}

/** What a daemon prints goes where its stderr goes. */
export function startProxy({ nothing, stderr }: StandardDescriptors): Start {
  const second = stderr === "connection" ? nothing : stderr;
  return { descriptors: [nothing, second, second], variables: [] };
}
