/**
 * `proxy`: scales a daemon to zero that knows nothing of sockets it is given. It is started when somebody comes, listens
 * at an address of its own (`upstream`), and each connection is relayed to it.
 *
 * The life of a connection here: let in → held, while the daemon is not ready (held.ts) → connected to the daemon
 * (upstream.ts) → relayed (relays.ts), to its end. Since tinetd does the accepting, nobody can come between the decision
 * to stop an idle daemon and its end: who knocks then waits in the kernel's queue, for the next daemon.
 */

import { type Domain, type Fd, isSystemError } from "../native/sys.ts";
import { isShortage } from "../net/accept.ts";
import { formatEndpoint } from "../net/address.ts";
import type { Bytes } from "../net/ends.ts";
import type { BoundListener } from "../net/listen.ts";
import { proxyHeader } from "../net/proxy-header.ts";
import type { Timer } from "../util/clock.ts";
import type { Result } from "../util/result.ts";
import { acceptWaiting, remember } from "./accept.ts";
import { createEntrance } from "./entrance.ts";
import { createFrost, type Frost } from "./frost.ts";
import type { HandlerRef, Handoff, HandoffHost, Incoming, StandardDescriptors, Start } from "./handoff.ts";
import { endedTooSoon, keepsNothing, launchOne } from "./handoff.ts";
import { type Client, Held } from "./held.ts";
import { awaitLeave, tooOld } from "./old-age.ts";
import { type Relayed, Relays } from "./relays.ts";
import { createUpstream } from "./upstream.ts";

/** With `ready = "spawn"` nothing else tells a program that cannot run from one that serves. */
const tookNothing = "the worker ended before it had taken a connection";

/** Between two tries to start a daemon; `start_limit` makes the wait longer when they keep failing. */
const retryMs = 100;

/** How long a connection may rest whose daemon has gone. When the whole service is to go, less, and not for ever. */
const bereavedQuietMs = 5_000;
const stoppedQuietMs = 250;
const stoppedMostMs = 5_000;

/** The daemon while it runs. */
interface Worker {
  readonly ref: HandlerRef;
  ready: boolean;
  /** It has taken a connection. */
  served: boolean;
  idleTimer: Timer | null;
  /** Being connected: how to give that up. */
  readonly connecting: Map<Client, () => void>;
  /** Of its connections that are relayed: how many. */
  relayed: number;
  readonly frost: Frost;
  /** Its `max_lifetime` is over: gives up waiting for a moment in which it can go. */
  aged: (() => void) | null;
}

export function createProxy(host: HandoffHost): Handoff {
  const { config, sys, clock } = host;
  const { upstream: endpoint, upstreamProxyProtocol: headerVersion, restart, idleTimeout } = config;
  if (endpoint === null) throw new Error(`"${config.name}" has no upstream`);
  const { min } = config.workers;
  const upstream = createUpstream({ sys, clock, openSocket }, endpoint);
  const held = new Held(sys, clock, config.startTimeout, { left, late });
  const relays = new Relays(sys, clock, relayEnded);
  let worker: Worker | null = null;
  /** A start tells its service, which may come back here before the worker is known. */
  let starting = false;
  /** The daemon could not be started: tried again for those who wait, until `start_limit` is reached. */
  let retry: Timer | null = null;
  /** Whether `workers.min` is to run: not after an end that `restart` leaves at that, until the next client. */
  let keeping = true;

  const entrance = createEntrance(host, enter, () => !host.isStopped());

  /** While starts fail, no daemon is to be expected: with `on_limit = "refuse"` clients are told so. */
  const refuses = () => config.onLimit === "refuse" && !host.mayStart();
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
      const client = { incoming, connection };
      if (canServe(worker)) connect(client, worker);
      else hold(client);
    }
  }

  // -- until there is a daemon --------------------------------------------------------------------------------------

  function hold(client: Client): void {
    try {
      held.add(client, openSocket("unix"));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      host.dismiss(client.connection, client.incoming.fd, "error", error.code);
    }
  }

  /** From the common reserve of descriptors, where there is no other any more: whoever was let in is served. */
  function openSocket(domain: Domain): Fd {
    try {
      return sys.socket(domain, "stream");
    } catch (error) {
      if (!isSystemError(error) || !isShortage(error.code)) throw error;
    }
    if (host.mayGoOn()) host.shortage();
    return host.lend(() => sys.socket(domain, "stream"));
  }

  function left({ incoming, connection }: Client): void {
    sys.close(incoming.fd);
    host.closed(connection, null, null, "the client went away before the worker was ready");
  }

  function late({ incoming, connection }: Client): void {
    host.dismiss(connection, incoming.fd, "timeout", "the worker was not ready within start_timeout");
  }

  /** Starts the daemon for those who wait. */
  function startIfNeeded(): void {
    if (worker === null && held.size > 0 && host.mayStart()) start();
    if (refuses()) turnAwayAll();
  }

  function start(): void {
    if (starting) return;
    starting = true;
    upstream.prepare();
    const started = launchOne(host, startProxy, null);
    starting = false;
    retry?.cancel();
    retry = started.ok ? null : clock.after(retryMs, startIfNeeded);
    if (!started.ok) return;
    worker = newWorker(started.value);
    keeping = true;
    // With `ready = "spawn"` it was ready before it was known here.
    if (worker.ref.wasReady) ready(worker.ref);
  }

  function newWorker(ref: HandlerRef): Worker {
    const frost = createFrost(host, {
      // Who comes, comes through us: nobody can have come meanwhile.
      settled: () => {},
      failed: () => (min > 0 ? rest(worker) : stop(worker, "idle_timeout")),
      expired: () => (min > 0 ? undefined : stop(worker, "max_frozen")),
    });
    const worker: Worker = {
      ref,
      ready: false,
      served: false,
      idleTimer: null,
      connecting: new Map(),
      relayed: 0,
      frost,
      aged: null,
    };
    return worker;
  }

  function turnAwayAll(): void {
    for (let client = held.shift(); client !== null; client = held.shift()) {
      host.dismiss(client.connection, client.incoming.fd, "error", "its worker cannot be started");
    }
  }

  /** The service is stopped: no daemon will come. */
  function abandon(): void {
    for (let client = held.shift(); client !== null; client = held.shift()) {
      sys.close(client.incoming.fd);
      host.closed(client.connection, null, null, "the service was stopped before the worker was ready");
    }
    retry?.cancel();
    if (worker === null) relays.bereave(null, stoppedQuietMs, stoppedMostMs);
  }

  // -- with a daemon ------------------------------------------------------------------------------------------------

  function ready({ pid }: HandlerRef): void {
    if (worker?.ref.pid !== pid) return;
    worker.ready = true;
    serveHeld();
    rest(worker);
  }

  function serveHeld(): void {
    while (canServe(worker)) {
      const client = held.shift();
      if (client === null) return;
      connect(client, worker);
    }
  }

  function connect(client: Client, to: Worker): void {
    to.idleTimer?.cancel();
    to.frost.thaw();
    to.ref.worked();
    // Known before it is tried: it may come out at once.
    to.connecting.set(client, () => {});
    const giveUp = upstream.connect((outcome) => connected(client, to, outcome));
    if (to.connecting.has(client)) to.connecting.set(client, giveUp);
  }

  function connected(client: Client, to: Worker, outcome: Result<Fd, string>): void {
    to.connecting.delete(client);
    if (!outcome.ok && to.ref.isStopping) hold(client);
    else if (!outcome.ok) fail(client, outcome.error);
    else relay(client, to, outcome.value);
    rest(to);
  }

  function relay(client: Client, to: Worker, fd: Fd): void {
    const { remote, local } = client.incoming;
    const header = headerVersion === null ? null : proxyHeader(headerVersion, remote, local);
    const begun = relays.begin(client, fd, to.ref, header);
    if (!begun.ok) {
      fail(client, begun.error);
      return;
    }
    to.served = true;
    to.relayed += 1;
  }

  function fail({ connection, incoming }: Client, why: string): void {
    const where = endpoint === null ? "" : formatEndpoint(endpoint);
    host.dismiss(connection, incoming.fd, "error", `cannot connect to ${where}: ${why}`);
  }

  function relayEnded({ connection, worker: by }: Relayed, bytes: Bytes, error?: string): void {
    host.closed(connection, by, bytes, error);
    if (worker?.ref !== by) return;
    worker.relayed -= 1;
    rest(worker);
  }

  /** A daemon without connections is frozen or taken away once that has lasted long enough. */
  function rest(of: Worker): void {
    if (connectionsOf(of) > 0) return;
    of.ref.rested();
    of.idleTimer?.cancel();
    if (idleTimeout === null || (config.onIdle === "stop" && min > 0)) return;
    of.idleTimer = clock.after(idleTimeout, () => {
      if (connectionsOf(of) > 0 || of.ref.isStopping) return;
      if (config.onIdle === "freeze") of.frost.begin([of.ref]);
      else stop(of, "idle_timeout");
    });
  }

  /** Nobody is connected, and who knocks from now on waits for the next daemon. */
  function stop(some: Worker, reason: string): void {
    some.frost.leave(some.ref);
    some.ref.stop(reason);
    host.rewatch();
  }

  /** Two daemons cannot listen at one address: it goes before the next is started, if it can while nobody is connected. */
  function aged({ pid }: HandlerRef): void {
    if (worker?.ref.pid !== pid) return;
    const old = worker;
    old.aged = awaitLeave(host, old.ref, () => {
      if (connectionsOf(old) > 0) return false;
      stop(old, tooOld);
      return true;
    });
  }

  function gone({ pid }: HandlerRef, failed: boolean): void {
    if (worker?.ref.pid !== pid) return;
    const was = worker;
    worker = null;
    was.idleTimer?.cancel();
    was.frost.leave(was.ref);
    was.aged?.();
    keeping = restart === "always" || (restart === "on-failure" && failed) || was.aged !== null;
    // Asked to end, it may have taken nothing because nobody came.
    const wanted = was.connecting.size > 0 || !was.ref.isStopping;
    for (const [client, giveUp] of was.connecting) {
      giveUp();
      hold(client);
    }
    if (!was.ref.wasReady) host.ended(endedTooSoon);
    else host.ended(wanted && !was.served ? tookNothing : null);
    if (host.isStopped()) abandon();
    else bereave(was);
    goOn();
  }

  /** What it has left behind may still serve its connections, unless all of its tree went with it. */
  function bereave({ ref, relayed }: Worker): void {
    if (relayed > 0 && config.killMode === "tree") relays.bereave(ref, bereavedQuietMs);
  }

  /** Something has changed for the better. */
  function goOn(): void {
    serveHeld();
    startIfNeeded();
    if (worker === null && keeping && min > 0 && host.mayGoOn()) start();
    host.rewatch();
  }

  return {
    ...keepsNothing,
    accepts: true,
    readable,
    resume: goOn,
    // While it is being stopped, or cannot be started: who knocks waits in the kernel's queue.
    holds: () => !mayTake(),
    closing() {
      if (!host.isStopped()) return;
      entrance.close();
      abandon();
    },
    ready,
    gone,
    aged,
    connectionsOf: ({ pid }) => (worker?.ref.pid === pid ? connectionsOf(worker) : 0),
  };
}

function canServe(worker: Worker | null): worker is Worker {
  return worker?.ready === true && !worker.ref.isStopping;
}

function connectionsOf({ connecting, relayed }: Worker): number {
  return connecting.size + relayed;
}

/** What a daemon prints goes where its stderr goes. */
export function startProxy({ nothing, stderr }: StandardDescriptors): Start {
  const second = stderr === "connection" ? nothing : stderr;
  return { descriptors: [nothing, second, second], variables: [] };
}
