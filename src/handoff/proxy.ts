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
import type { HandlerRef, Handoff, HandoffHost, Incoming, StandardDescriptors, Start } from "./handoff.ts";
import { endedTooSoon, keepsNothing, launchOne, staysBehind } from "./handoff.ts";
import { type Client, Held } from "./held.ts";
import { ProxyWorker } from "./proxy-worker.ts";
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

export function createProxy(host: HandoffHost): Handoff {
  const { sys, clock } = host;
  const { upstream: endpoint, upstreamProxyProtocol: headerVersion } = host.config;
  if (endpoint === null) throw new Error(`"${host.config.name}" has no upstream`);
  const upstream = createUpstream({ sys, clock, openSocket }, endpoint);
  const held = new Held(sys, clock, () => host.config.startTimeout, { left, late });
  const relays = new Relays(sys, clock, relayEnded);
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
      const client = { incoming, connection };
      if (worker?.canServe) connect(client, worker);
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
    if (refuses()) turnAwayAll("its worker cannot be started");
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
    worker = new ProxyWorker(host, started.value);
    keeping = true;
    // With `ready = "spawn"` it was ready before it was known here.
    if (worker.ref.wasReady) ready(worker.ref);
  }

  function turnAwayAll(why: string): void {
    for (let client = held.shift(); client !== null; client = held.shift()) {
      host.dismiss(client.connection, client.incoming.fd, "error", why);
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
    worker.rest();
  }

  function serveHeld(): void {
    while (worker?.canServe) {
      const client = held.shift();
      if (client === null) return;
      connect(client, worker);
    }
  }

  function connect(client: Client, to: ProxyWorker): void {
    to.work();
    // Known before it is tried: it may come out at once.
    to.connecting.set(client, () => {});
    const giveUp = upstream.connect((outcome) => connected(client, to, outcome));
    if (to.connecting.has(client)) to.connecting.set(client, giveUp);
  }

  function connected(client: Client, to: ProxyWorker, outcome: Result<Fd, string>): void {
    to.connecting.delete(client);
    if (!outcome.ok && to.ref.isStopping) hold(client);
    else if (!outcome.ok) fail(client, outcome.error);
    else relay(client, to, outcome.value);
    to.rest();
  }

  function relay(client: Client, to: ProxyWorker, fd: Fd): void {
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
      hold(client);
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
    if (retired && worker === null) turnAwayAll("its worker was replaced");
    startIfNeeded();
    if (worker === null && keeping && host.config.workers.min > 0 && host.mayGoOn()) start();
    host.rewatch();
  }

  return {
    ...keepsNothing,
    ...staysBehind,
    surrender: entrance.surrender,
    receive: entrance.take,
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
    warm: start,
    retire,
    aged({ pid }) {
      if (worker?.ref.pid === pid) worker.aged();
    },
    connectionsOf: ({ pid }) => (worker?.ref.pid === pid ? worker.connections : 0),
    *connections() {
      for (const { connection } of held.clients()) yield [connection, null];
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
