/**
 * A service: feeds the machine of `state.ts` with what happens, and carries out what it decides. A connection comes
 * from a listener to the handoff, which accepts it, asks `#launch` for a handler or `#refuse`s it; its end is `#gone`.
 */
import { admit, type Load, reachedLimit } from "../admission/admit.ts";
import type { ServiceConfig } from "../config/config.ts";
import { remember } from "../handoff/accept.ts";
import type {
  Connection,
  HandlerRef,
  Handoff,
  HandoffHost,
  Incoming,
  LaunchRequest,
} from "../handoff/handoff.ts";
import { createHandoff } from "../handoff/index.ts";
import { describeTraffic } from "../handoff/traffic.ts";
import type { RefusalReason } from "../log/events.ts";
import type { ChildExit } from "../native/sys.ts";
import { isShortage } from "../net/accept.ts";
import { formatSocketAddress } from "../net/address.ts";
import { countConnections, sampleConnections } from "../net/diag.ts";
import type { Bytes } from "../net/ends.ts";
import { takesConnections } from "../net/kind.ts";
import { type BoundListener, repairListener } from "../net/listen.ts";
import { unmap } from "../net/peer.ts";
import { isQuiet } from "../net/sample.ts";
import { takesDatagrams, waitingAt } from "../net/waiting.ts";
import { contextSwitches } from "../process/activity.ts";
import type { SpawnFailure } from "../process/child.ts";
import type { Timer } from "../util/clock.ts";
import { err, type Result } from "../util/result.ts";
import { signalName } from "../util/signals.ts";
import { unreachable } from "../util/unreachable.ts";
import { type Counters, newCounters } from "./counters.ts";
import type { Handler } from "./handler.ts";
import { Launcher } from "./launcher.ts";
import {
  calmAfterShortageMs,
  countFailure,
  noFailures,
  retryWaitMs,
  type StartHistory,
  shortageWaitMs,
} from "./limits.ts";
import { Listeners, type MissingListener } from "./listeners.ts";
import { isWatching, type ServiceEvent, type ServiceState, step } from "./state.ts";
import type { World } from "./world.ts";

export class Service {
  readonly config: ServiceConfig;
  readonly counters: Counters = newCounters();
  readonly handlers = new Map<number, Handler>();
  readonly listeners: Listeners;
  readonly #world: World;
  readonly #launcher: Launcher;
  readonly #handoff: Handoff;
  readonly #refusal: Uint8Array;
  #state: ServiceState = { name: "stopped" };
  /** Ends `limited`, `failed` and `paused` at their `until`. */
  #timer: Timer | null = null;
  #starts: StartHistory = noFailures;
  /** Times in a row that no descriptor was left, and when that was last. */
  #shortages = 0;
  /** Open connections that workers serve. */
  #connections = 0;
  /** Context switches of the workers when they were last looked at. */
  #switches = -1;
  #shortAt = Number.NEGATIVE_INFINITY;
  /** Times in a row that the machine lacked something. */
  #unfit = 0;
  #opening: Promise<void> = Promise.resolve();
  #whenEmpty: (() => void)[] = [];

  constructor(world: World, config: ServiceConfig) {
    this.config = config;
    this.#world = world;
    this.#launcher = new Launcher(world, config);
    this.#refusal = Buffer.from(config.refusal ?? "");
    this.listeners = new Listeners(world, config.listeners, {
      bound: (listener, recovered) => this.#bound(listener, recovered),
      missing: (missing, again) => this.#missing(missing, again),
      readable: (listener) => this.#readable(listener),
      isHeld: (listener) => this.#handoff.holds(listener),
      isReadOn: (listener) => this.#handoff.readsOn(listener),
      closing: (listener) => this.#handoff.closing(listener),
    });
    this.#handoff = createHandoff(config.handoff, this.#host());
  }

  /** Whether tinetd does the accepting, and so can count. */
  get accepts(): boolean {
    return this.#handoff.accepts;
  }

  connectionsOf(handler: Handler): number | null {
    return this.#handoff.connectionsOf(handler);
  }

  /** Open connections: as tinetd knows them where it accepts, else as the kernel counts them; `null` if it cannot. */
  openConnections(): number | null {
    if (this.config.handoff === "stdio") return this.handlers.size;
    if (this.#handoff.accepts) return this.#connections;
    const { sys, diag } = this.#world;
    const streams = this.listeners.bound.filter(({ kind }) => kind !== "fifo" && takesConnections(kind));
    const counts = streams.length === 0 ? err("") : countConnections(sys, diag, streams);
    return counts.ok ? counts.value.reduce((sum, { held, queued }) => sum + held + queued, 0) : null;
  }

  get state(): ServiceState {
    return this.#state;
  }

  /** Resolves when every listener has been tried once. */
  async start(): Promise<void> {
    if (this.#state.name !== "stopped") return;
    this.#dispatch({ type: "start" });
    await this.#opening;
  }

  /** Resolves when no listener and no handler is left. */
  async stop(): Promise<void> {
    this.#dispatch({ type: "stop" });
    if (this.handlers.size > 0) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
  }

  /** The end of the daemon, after `stop`: what leftovers of handlers may still write to stderr is not read any more. */
  close(): void {
    this.#launcher.finish();
  }

  /** SIGKILL to every handler: the end of a shutdown that took too long. */
  kill(): void {
    for (const handler of this.handlers.values()) handler.kill();
  }

  // -- the machine --------------------------------------------------------------------------------------------------

  #dispatch(event: ServiceEvent): void {
    const before = this.#state;
    const { state, effects } = step(before, event);
    this.#state = state;
    if (state !== before) this.#entered(before, event);
    for (const effect of effects) {
      switch (effect.do) {
        case "open":
          this.#opening = this.#open();
          break;
        case "close":
          this.listeners.close();
          this.#launcher.close();
          break;
        case "stop handlers":
          for (const handler of this.handlers.values()) handler.stop("the service is stopped");
          break;
        default:
          unreachable(effect);
      }
    }
    const watching = this.#isWatching();
    this.listeners.watch(watching);
    if (watching) this.#handoff.resume();
  }

  /** Only who accepts can refuse: for a handler that does it by itself, clients always wait. */
  #isWatching(): boolean {
    return isWatching(this.#state, this.#handoff.accepts ? this.config.onLimit : "queue");
  }

  #entered(before: ServiceState, event: ServiceEvent): void {
    const state = this.#state;
    this.#timer?.cancel();
    this.#timer = null;
    const until = "until" in state ? state.until : null;
    const inMs = until === null ? null : Math.max(0, until - this.#world.clock.now());
    // A service that is unbound is tried again by its listeners, one by one, and by `#open`.
    if (inMs !== null && !(state.name === "failed" && state.cause === "unbound")) {
      this.#timer = this.#world.clock.after(inMs, () => this.#due());
    }
    if (state.name === "limited" && state.reason === "total") {
      this.#world.total.wait(() =>
        this.#dispatch({ type: "room", reason: "total", handlers: this.handlers.size }),
      );
    }
    // What is only on its way (not bound yet), or goes on as before, is not news.
    if (event.type === "start" || (state.name === before.name && state.name !== "failed")) return;
    if (state.name === "limited" && state.reason === "descriptors" && this.#shortages > 1) return;
    const reason = "reason" in state ? { reason: state.reason } : {};
    const untilMs = inMs === null ? {} : { until_ms: Math.round(inMs) };
    this.#world.emit({
      event: "service.state",
      service: this.config.name,
      state: state.name,
      ...reason,
      ...untilMs,
    });
  }

  /** `until` has come. */
  #due(): void {
    if (this.#isShort() && !this.#world.spare()) this.#shortage();
    else this.#dispatch({ type: "due", handlers: this.handlers.size });
  }

  // -- listeners ----------------------------------------------------------------------------------------------------

  async #open(): Promise<void> {
    const prepared = this.#launcher.prepare();
    if (prepared.ok) {
      if (this.#unfit > 0) this.#world.emit({ event: "service.recovered", service: this.config.name });
      this.#unfit = 0;
      await this.listeners.open();
      return;
    }
    this.#unfit += 1;
    const retryMs = retryWaitMs(this.#unfit);
    const reason = prepared.error.map(({ key, message }) => `${key}: ${message}`).join("; ");
    if (this.#unfit === 1) {
      this.#world.emit({ event: "service.failed", service: this.config.name, reason, retry_ms: retryMs });
    }
    this.#dispatch({ type: "lost", reason, until: this.#world.clock.now() + retryMs });
    this.#timer = this.#world.clock.after(retryMs, () => {
      if (this.#state.name === "failed") void this.#open();
    });
  }

  #bound(listener: BoundListener, recovered: boolean): void {
    const { name: service } = this.config;
    const { canonical: address, backlog } = listener;
    this.#world.emit({ event: "service.listening", service, address, backlog });
    if (recovered) this.#world.emit({ event: "service.recovered", service, address });
    this.#dispatch({ type: "bound", handlers: this.handlers.size });
  }

  #missing({ address, reason, retryAt }: MissingListener, again: boolean): void {
    const service = this.config.name;
    if (!again) {
      const retry_ms = Math.round(retryAt - this.#world.clock.now());
      this.#world.emit({ event: "service.failed", service, address, reason, retry_ms });
    }
    if (this.listeners.bound.length > 0) return;
    this.#dispatch({ type: "lost", reason: `${address}: ${reason}`, until: retryAt });
  }

  /** The total and the descriptors are shared: other services may have used them up since this one looked. */
  #readable(listener: BoundListener): void {
    if (this.#isWatching()) this.#checkLimit();
    if (this.#isWatching() && !this.#world.spare()) this.#shortage();
    this.#handoff.readable(listener);
  }

  // -- what the handoff asks for ------------------------------------------------------------------------------------

  #host(): HandoffHost {
    const { sys, clock, nextConnection } = this.#world;
    return {
      config: this.config,
      sys,
      clock,
      nextConnection,
      mayGoOn: () => this.#isWatching(),
      mayStart: () => this.#state.name !== "stopped" && this.#state.name !== "failed",
      isStopped: () => this.#state.name === "stopped",
      admit: (pending) => admit(this.#load(pending)),
      launch: (requests) => this.#launch(requests),
      room: () => this.#room(),
      refuse: (incoming, reason, error) => this.#refuse(incoming, reason, error),
      turnAway: (remote, local, reason, error) => this.#turnAway(remote, local, reason, error),
      shortage: () => this.#shortage(),
      broken: (listener, reason) => this.listeners.reopen(listener, reason),
      opened: (connection) => this.#opened(connection),
      closed: (connection, worker, bytes, error) => this.#closed(connection, worker, bytes, error),
      watchEnd: (fd, onEnd) => this.#world.ends.watch(fd, onEnd),
      listeners: () => this.listeners.bound,
      rewatch: () => this.listeners.rewatch(),
      isQuiet: (listeners, workers) => this.#isQuiet(listeners, workers),
      tcpIdleMs: () => {
        const samples = sampleConnections(sys, this.#world.diag, this.listeners.bound);
        return new Map(samples.ok ? samples.value.map(({ cookie, idleMs }) => [cookie, idleMs]) : []);
      },
      waiting: (listener) => waitingAt(sys, this.#world.diag, listener),
      repair: (listener) => this.#repair(listener),
      ended: (failure) => {
        if (failure === null) this.#starts = noFailures;
        else this.#startsFail(failure);
      },
      dropDatagram: (listener, reason) => this.#dropDatagram(listener, reason),
    };
  }

  #launch(requests: readonly LaunchRequest[]): Result<HandlerRef, SpawnFailure>[] {
    const started = this.#startAll(requests);
    return requests.map((request, index) => {
      const outcome = started[index] ?? err({ stage: "clone", code: "EINVAL" });
      if (!outcome.ok && isShortage(outcome.error.code)) return this.#launchFromReserve(request);
      this.#launched(outcome, request.connection);
      return outcome;
    });
  }

  #startAll(requests: readonly LaunchRequest[]): Result<Handler, SpawnFailure>[] {
    return this.#launcher.start(requests, {
      ready: (handler) => this.#handoff.ready(handler),
      gone: (handler, exit) => this.#gone(handler, exit),
    });
  }

  /** The connection took the last descriptor: its handler still gets some, and no further connection is accepted. */
  #launchFromReserve(request: LaunchRequest): Result<HandlerRef, SpawnFailure> {
    const [started] = this.#world.lend(() => this.#startAll([request]));
    if (started === undefined) throw new Error("a start without an outcome");
    this.#launched(started, request.connection);
    if (started.ok) this.#shortage();
    return started;
  }

  /** How many more may be accepted now; where clients are refused at a limit, that is told of each by `admit`. */
  #room(): number {
    if (this.config.onLimit === "refuse") return Number.POSITIVE_INFINITY;
    const { instances, maxInstances, total, maxTotal } = this.#load();
    return Math.min(maxInstances - instances, maxTotal - total);
  }

  #launched(started: Result<Handler, SpawnFailure>, connection: Connection | null): void {
    if (started.ok) this.#started(started.value, connection);
    else this.#startFailed(started.error);
  }

  #started(handler: Handler, connection: Connection | null): void {
    const { name: service } = this.config;
    const { emit, total } = this.#world;
    this.handlers.set(handler.pid, handler);
    if (connection === null) this.#world.notifications.add(handler.pid, handler);
    this.counters.spawned += 1;
    if (connection === null) {
      emit({ event: "handler.started", service, pid: handler.pid });
    } else {
      const { id, remote, local } = connection;
      total.add();
      this.counters.accepted += 1;
      this.#starts = noFailures;
      emit({ event: "connection.accepted", service, connection: id, remote, local });
      emit({ event: "handler.started", service, pid: handler.pid, connection: id });
    }
    if (this.handlers.size === 1) this.#dispatch({ type: "handlers", handlers: 1 });
    this.#checkLimit();
    handler.begin();
  }

  /** A connection that a worker is to serve. */
  #opened({ id, remote, local }: Connection): void {
    this.#world.total.add();
    this.counters.accepted += 1;
    this.#connections += 1;
    this.#world.emit({
      event: "connection.accepted",
      service: this.config.name,
      connection: id,
      remote,
      local,
    });
    this.#checkLimit();
  }

  #closed(connection: Connection, worker: HandlerRef | null, bytes: Bytes, error?: string): void {
    this.#connections -= 1;
    this.#world.total.remove();
    this.#world.emit({
      event: "connection.closed",
      service: this.config.name,
      connection: connection.id,
      pid: worker?.pid ?? null,
      remote: connection.remote,
      code: null,
      signal: null,
      duration_ms: Math.round(this.#world.clock.now() - connection.acceptedAt),
      ...(bytes === null ? {} : { bytes_in: bytes.received, bytes_out: bytes.sent }),
      ...(error === undefined ? {} : { error }),
    });
  }

  /** With `on_limit = "queue"` nothing is accepted at a limit: what was accepted could not be put back. */
  #checkLimit(): void {
    const limit = this.config.onLimit === "queue" ? reachedLimit(this.#load()) : null;
    if (limit !== null) this.#dispatch({ type: "full", reason: limit, until: null });
  }

  #startFailed({ stage, code }: SpawnFailure): void {
    if (isShortage(code)) {
      this.counters.startFailures += 1;
      this.#shortage();
    } else this.#startsFail(`cannot start "${this.config.name}": ${stage}: ${code}`);
  }

  /** Counts a failed start; starting is left alone for a while if this goes on. */
  #startsFail(reason: string): void {
    this.counters.startFailures += 1;
    const now = this.#world.clock.now();
    const { history, waitMs } = countFailure(this.#starts, this.config.startLimit, now);
    this.#starts = history;
    if (waitMs !== null) this.#dispatch({ type: "back-off", reason, until: now + waitMs });
  }

  /** No descriptor or memory is left: nothing is accepted for a moment, then it is tried again. */
  #shortage(): void {
    const now = this.#world.clock.now();
    this.#shortages = now - this.#shortAt < calmAfterShortageMs ? this.#shortages + 1 : 1;
    this.#shortAt = now;
    this.#dispatch({ type: "full", reason: "descriptors", until: now + shortageWaitMs(this.#shortages) });
  }

  #isShort(): boolean {
    return this.#state.name === "limited" && this.#state.reason === "descriptors";
  }

  #refuse(incoming: Incoming, reason: RefusalReason, error?: string): void {
    const { remote, local } = remember(incoming);
    const why = error === undefined ? undefined : `cannot start "${this.config.name}": ${error}`;
    this.#turnAway(remote, local, reason, why);
    this.#world.farewells.say(incoming.fd, this.#refusal);
  }

  #turnAway(remote: string, local: string, reason: RefusalReason, error?: string): void {
    const { name: service } = this.config;
    const why = error === undefined ? {} : { error };
    this.counters.refused[reason] = (this.counters.refused[reason] ?? 0) + 1;
    this.#world.emit({ event: "connection.refused", service, reason, remote, local, ...why });
  }

  /** Where the kernel cannot tell, nobody is taken for idle. */
  #isQuiet(listeners: readonly BoundListener[], workers: readonly HandlerRef[]): boolean {
    const { sys, diag } = this.#world;
    const counts = countConnections(sys, diag, listeners);
    if (!counts.ok || !counts.value.every(isQuiet)) return false;
    const uncounted = listeners.filter(({ kind }) => kind === "fifo" || takesDatagrams(kind));
    if (uncounted.length === 0) return true;
    const switches = workers.reduce((sum, { pid }) => sum + contextSwitches(pid), 0);
    const rested = switches === this.#switches;
    this.#switches = switches;
    return rested && uncounted.every((listener) => waitingAt(sys, diag, listener).length === 0);
  }

  /** What cannot be put right makes the listener useless to the next handler: it is bound anew. */
  #repair(listener: BoundListener): void {
    const { failures } = repairListener(this.#world.sys, listener);
    const [first] = failures;
    if (first === undefined) return;
    this.listeners.reopen(listener, `a handler has changed ${first.option}: ${first.reason}`);
  }

  #dropDatagram(listener: BoundListener, why: string): void {
    const message = this.#world.sys.receiveMessage(listener.fd, Buffer.alloc(65_536));
    if (message === null) return;
    for (const fd of message.fds) this.#world.sys.close(fd);
    const { canonical: local, kind } = listener;
    const remote = message.from === null ? local : formatSocketAddress(kind, unmap(message.from));
    this.#turnAway(remote, local, "error", `datagram of ${message.length} bytes dropped: ${why}`);
  }

  #gone(handler: Handler, exit: ChildExit): void {
    const { name: service } = this.config;
    const signal = exit.signal === null ? null : signalName(exit.signal);
    this.handlers.delete(handler.pid);
    this.#world.notifications.remove(handler.pid);
    this.#handoff.gone(handler, exit.code !== 0);
    this.counters.lastExit = { pid: exit.pid, code: exit.code, signal, at: this.#world.clock.wall() };
    const { connection } = handler;
    if (connection !== null) {
      this.#world.emit({
        event: "connection.closed",
        service,
        connection: connection.id,
        pid: exit.pid,
        remote: connection.remote,
        code: exit.code,
        signal,
        duration_ms: Math.round(this.#world.clock.now() - connection.acceptedAt),
        ...(connection.traffic === null ? {} : describeTraffic(connection.traffic)),
      });
      this.#world.total.remove();
    }
    // Room first: what waits in the handoff may take it at once, and then this was not the last handler.
    this.#dispatch({ type: "room", reason: "limit", handlers: this.handlers.size });
    if (this.#isShort() && this.#world.spare()) {
      this.#dispatch({ type: "room", reason: "descriptors", handlers: this.handlers.size });
    }
    if (this.handlers.size > 0) return;
    this.#dispatch({ type: "handlers", handlers: 0 });
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  /** @param pending connections that were let in and have no handler yet */
  #load(pending = 0): Load {
    const { total } = this.#world;
    return {
      // Workers have limits of their own; each connection of theirs is not an instance.
      instances: this.config.handoff === "stdio" ? this.handlers.size + pending : 0,
      maxInstances: this.config.maxInstances,
      total: total.count + pending,
      maxTotal: total.max,
      failing: this.#state.name === "failed",
    };
  }
}
