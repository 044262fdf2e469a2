/**
 * A service: feeds the machine of `state.ts` with what happens, and carries out what it decides. A connection comes
 * from a listener to the handoff, which accepts it and asks for a handler (`starts.ts`) or refuses it
 * (`connections.ts`); its end is `#gone`.
 */
import { admit, type Load, reachedLimit } from "../admission/admit.ts";
import type { ServiceConfig } from "../config/config.ts";
import { closeDoors } from "../handoff/departure.ts";
import type { Connection, HandlerRef, Handoff, HandoffHost, LaunchRequest } from "../handoff/handoff.ts";
import { createHandoff } from "../handoff/index.ts";
import type { ChildExit } from "../native/sys.ts";
import { type BoundListener, repairListener } from "../net/listen.ts";
import type { TcpSample } from "../net/sample.ts";
import { queueLength, waitingAt } from "../net/waiting.ts";
import type { Timer } from "../util/clock.ts";
import { signalName } from "../util/signals.ts";
import { unreachable } from "../util/unreachable.ts";
import { Connections } from "./connections.ts";
import { type Counters, newCounters } from "./counters.ts";
import type { Handler } from "./handler.ts";
import { Launcher } from "./launcher.ts";
import { retryWaitMs } from "./limits.ts";
import { Listeners, type MissingListener } from "./listeners.ts";
import { Starts } from "./starts.ts";
import { isWatching, type ServiceEvent, type ServiceState, step } from "./state.ts";
import { Traces } from "./traces.ts";
import type { World } from "./world.ts";

/** How often it is looked whether those who are with handlers that accept by themselves have gone. */
const drainSampleMs = 250;

export class Service {
  readonly config: ServiceConfig;
  readonly counters: Counters = newCounters();
  readonly handlers = new Map<number, Handler>();
  readonly listeners: Listeners;
  readonly connections: Connections;
  readonly #world: World;
  readonly #launcher: Launcher;
  readonly #handoff: Handoff;
  readonly #starts: Starts;
  readonly #traces: Traces;
  #state: ServiceState = { name: "stopped" };
  /** Ends `limited`, `failed` and `paused` at their `until`. */
  #timer: Timer | null = null;
  /** Times in a row that the machine lacked something. */
  #unfit = 0;
  #opening: Promise<void> = Promise.resolve();
  #whenEmpty: (() => void)[] = [];

  constructor(world: World, config: ServiceConfig) {
    this.config = config;
    this.#world = world;
    this.#launcher = new Launcher(world, config);
    this.#starts = this.#newStarts();
    this.#traces = new Traces(world);
    this.connections = new Connections(world, config, this.counters);
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
    return this.#handoff.accepts ? this.connections.open : this.#traces.count(this.listeners.bound);
  }

  /** The open connections that tinetd has accepted, and who has each. */
  *knownConnections(): Iterable<readonly [Connection, HandlerRef | null]> {
    for (const handler of this.handlers.values()) {
      if (handler.connection !== null) yield [handler.connection, handler];
    }
    yield* this.#handoff.connections();
  }

  /**
   * Ends one open connection of ours.
   * @returns whether we can: one that a worker has is the worker's to close
   */
  endConnection(id: number): boolean {
    for (const handler of this.handlers.values()) {
      if (handler.connection?.id !== id) continue;
      handler.stop("its connection is ended by the operator");
      return true;
    }
    return false;
  }

  /** What the kernel tells of every TCP connection at the listeners. */
  tcpSamples(): TcpSample[] {
    return this.#traces.samples(this.listeners.bound);
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

  /** Resolves when no listener, no handler and no connection is left. */
  async stop(): Promise<void> {
    this.#dispatch({ type: "stop" });
    if (!this.#isEmpty()) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
  }

  /** The same, but whoever is in may finish first. */
  async drain(): Promise<void> {
    if (this.#handoff.accepts) {
      this.#dispatch({ type: "drain" });
      await this.connections.whenNone();
      // Somebody may have started it again meanwhile, or has lost patience.
      if (this.#state.name !== "stopped") return;
      this.#launcher.close();
      this.#stopHandlers("the service is stopped");
    } else await this.#drainAcceptors();
    await this.stop();
  }

  /** Handlers that accept: they are told to stop once nobody is there, and nobody new can come to them. */
  async #drainAcceptors(): Promise<void> {
    const { sys, clock } = this.#world;
    closeDoors(sys, this.listeners.bound);
    while (
      this.handlers.size > 0 &&
      !this.#traces.isQuiet(this.listeners.bound, [...this.handlers.values()])
    ) {
      await new Promise<void>((resolve) => clock.after(drainSampleMs, resolve));
    }
  }

  #stopHandlers(reason: string): void {
    for (const handler of this.handlers.values()) handler.stop(reason);
  }

  /** Nobody is accepted, and who knocks waits in the kernel's queue. @param maxWaitMs resumes by itself after so long */
  pause(maxWaitMs: number | null): void {
    this.#dispatch({ type: "pause", until: maxWaitMs === null ? null : this.#world.clock.now() + maxWaitMs });
  }

  resume(): void {
    this.#dispatch({ type: "resume", handlers: this.handlers.size });
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
          break;
        case "release":
          this.#launcher.close();
          break;
        case "stop handlers":
          this.#stopHandlers("the service is stopped");
          break;
        case "stop acceptors":
          if (!this.#handoff.accepts) this.#stopHandlers("the service is paused");
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
    if (state.name === "limited" && state.reason === "descriptors" && this.#starts.isShortAgain) return;
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
    if (this.#isShort() && !this.#world.spare()) this.#starts.shortage();
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
    if (this.#isWatching() && !this.#world.spare()) this.#starts.shortage();
    this.#handoff.readable(listener);
  }

  // -- what the handoff asks for ------------------------------------------------------------------------------------

  #host(): HandoffHost {
    const { sys, clock, nextConnection, diag, ends } = this.#world;
    return {
      config: this.config,
      sys,
      clock,
      nextConnection,
      mayGoOn: () => this.#isWatching(),
      mayStart: () => this.#state.name !== "stopped" && this.#state.name !== "failed",
      isStopped: () => this.#state.name === "stopped",
      admit: (pending) => admit(this.#load(pending)),
      launch: (requests) => this.#starts.launch(requests),
      room: () => this.#room(),
      keep: () => {
        this.connections.keep();
        this.#checkLimit();
      },
      release: (then) => this.#release(then),
      refuse: (incoming, reason, error) => this.connections.refuse(incoming, reason, error),
      turnAway: (remote, local, reason, error) => this.connections.turnAway(remote, local, reason, error),
      shortage: () => this.#starts.shortage(),
      lend: (action) => this.#world.lend(action),
      broken: (listener, reason) => this.listeners.reopen(listener, reason),
      opened: (connection) => {
        this.connections.opened(connection);
        this.#checkLimit();
      },
      closed: (connection, worker, bytes, error) => {
        this.connections.closed(connection, {
          pid: worker?.pid ?? null,
          code: null,
          signal: null,
          bytes,
          ...(error === undefined ? {} : { error }),
        });
        this.#connectionGone();
      },
      dismiss: (connection, fd, reason, error) => {
        this.connections.dismiss(connection, fd, reason, error);
        this.#connectionGone();
      },
      watchEnd: (connection, onEnd) => ends.watch(connection, onEnd),
      listeners: () => this.listeners.bound,
      rewatch: () => this.listeners.rewatch(),
      isQuiet: (listeners, workers) => this.#traces.isQuiet(listeners, workers),
      isDeserted: (listeners) => this.#traces.isDeserted(listeners),
      tcpIdleMs: () => this.#traces.tcpIdleMs(this.listeners.bound),
      waiting: (listener) => waitingAt(sys, diag, listener),
      queueLength: (listener) => queueLength(sys, listener),
      repair: (listener) => this.#repair(listener),
      ended: (failure) => {
        if (failure === null) this.#starts.succeeded();
        else this.#starts.failed(failure);
      },
      dropDatagram: (listener, reason) => this.connections.dropDatagram(listener, reason),
    };
  }

  #release(then: () => void): void {
    this.connections.release();
    then();
    if (reachedLimit(this.#load()) !== "limit") {
      this.#dispatch({ type: "room", reason: "limit", handlers: this.handlers.size });
    }
    this.listeners.rewatch();
  }

  #newStarts(): Starts {
    return new Starts(this.#world, this.config, this.#launcher, this.counters, {
      started: (handler, request) => this.#started(handler, request),
      ready: (handler) => {
        if (handler.connection === null) {
          this.counters.coldStartMs = Math.round(this.#world.clock.now() - handler.startedAt);
        }
        this.#handoff.ready(handler);
      },
      gone: (handler, exit) => this.#gone(handler, exit),
      aged: (handler) => this.#handoff.aged(handler),
      backOff: (reason, until) => this.#dispatch({ type: "back-off", reason, until }),
      short: (until) => this.#dispatch({ type: "full", reason: "descriptors", until }),
    });
  }

  /** How many more may be accepted now; where clients are refused at a limit, that is told of each by `admit`. */
  #room(): number {
    if (this.config.onLimit === "refuse") return Number.POSITIVE_INFINITY;
    const { instances, maxInstances, total, maxTotal } = this.#load();
    return Math.min(maxInstances - instances, maxTotal - total);
  }

  #started(handler: Handler, { connection }: LaunchRequest): void {
    const { name: service } = this.config;
    this.handlers.set(handler.pid, handler);
    const by = connection === null ? this.#traces.whoWaits(this.listeners.bound) : connection.remote;
    this.counters.lastWake = { at: this.#world.clock.wall(), by, pid: handler.pid };
    if (connection === null) {
      this.#world.notifications.add(handler.pid, handler);
      this.#world.emit({ event: "handler.started", service, pid: handler.pid });
    } else {
      this.connections.opened(connection);
      this.#world.emit({ event: "handler.started", service, pid: handler.pid, connection: connection.id });
    }
    if (this.handlers.size === 1) this.#dispatch({ type: "handlers", handlers: 1 });
    this.#checkLimit();
    handler.begin();
  }

  /** With `on_limit = "queue"` nothing is accepted at a limit: what was accepted could not be put back. */
  #checkLimit(): void {
    const limit = this.config.onLimit === "queue" ? reachedLimit(this.#load()) : null;
    if (limit !== null) this.#dispatch({ type: "full", reason: limit, until: null });
  }

  #isShort(): boolean {
    return this.#state.name === "limited" && this.#state.reason === "descriptors";
  }

  /** What cannot be put right makes the listener useless to the next handler: it is bound anew. */
  #repair(listener: BoundListener): void {
    const { failures } = repairListener(this.#world.sys, listener);
    const [first] = failures;
    if (first === undefined) return;
    this.listeners.reopen(listener, `a handler has changed ${first.option}: ${first.reason}`);
  }

  #gone(handler: Handler, exit: ChildExit): void {
    const { pid, code } = exit;
    const signal = exit.signal === null ? null : signalName(exit.signal);
    this.handlers.delete(handler.pid);
    this.#world.notifications.remove(handler.pid);
    this.#handoff.gone(handler, code !== 0);
    this.counters.lastExit = { pid, code, signal, at: this.#world.clock.wall() };
    if (handler.connection !== null) {
      this.connections.closed(handler.connection, { pid, code, signal, bytes: null });
    }
    // Room first: what waits in the handoff may take it at once, and then this was not the last handler.
    this.#makeRoom();
    if (this.handlers.size === 0) this.#dispatch({ type: "handlers", handlers: 0 });
    this.#checkEmpty();
  }

  /** A connection that was one of a worker's many. */
  #connectionGone(): void {
    if (this.#state.name === "limited") this.#makeRoom();
    this.#checkEmpty();
  }

  #makeRoom(): void {
    const handlers = this.handlers.size;
    this.#dispatch({ type: "room", reason: "limit", handlers });
    if (this.#isShort() && this.#world.spare()) {
      this.#dispatch({ type: "room", reason: "descriptors", handlers });
    }
  }

  /** What a daemon that has gone said last is still on its way to its clients: their connections count too. */
  #checkEmpty(): void {
    if (this.#isEmpty()) for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  #isEmpty(): boolean {
    return this.handlers.size === 0 && this.connections.open === 0;
  }

  /** @param pending connections that were let in and have no handler yet */
  #load(pending = 0): Load {
    const { total } = this.#world;
    return {
      instances: this.#instances() + this.connections.kept + pending,
      maxInstances: this.config.maxInstances,
      total: total.count + pending,
      maxTotal: total.max,
      failing: this.#state.name === "failed",
    };
  }

  /** What `max_instances` bounds; workers of other handoffs have limits of their own. */
  #instances(): number {
    switch (this.config.handoff) {
      case "stdio":
        return this.handlers.size;
      case "proxy":
        return this.connections.open;
      default:
        return Number.NEGATIVE_INFINITY;
    }
  }
}
