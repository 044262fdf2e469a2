/**
 * A service: feeds the machine of `state.ts` with what happens, and carries out what it decides. A connection comes
 * from a listener to the handoff, which accepts it and asks for a handler (`starts.ts`) or refuses it
 * (`connections.ts`); its end is `#gone`.
 */
import { type Load, reachedLimit } from "../admission/admit.ts";
import type { ServiceConfig } from "../config/config.ts";
import { listenerMisfit } from "../config/misfit.ts";
import type { SavedService } from "../config/saved.ts";
import { closeDoors } from "../handoff/departure.ts";
import { type Connection, endedTooSoon, type HandlerRef } from "../handoff/handoff.ts";
import { UdpPeers } from "../handoff/udp-peers.ts";
import type { Carry } from "../native/carry.ts";
import type { ChildExit } from "../native/sys.ts";
import type { BoundListener } from "../net/listen.ts";
import type { TcpSample } from "../net/sample.ts";
import { lacksTwin } from "../net/twin.ts";
import { observe } from "../util/histogram.ts";
import { signalName } from "../util/signals.ts";
import { unreachable } from "../util/unreachable.ts";
import { Connections } from "./connections.ts";
import { type Counters, newCounters, restoreCounters, saveCounters } from "./counters.ts";
import type { Generation, GenerationOwner } from "./generation.ts";
import { type Applied, Generations } from "./generations.ts";
import type { Handler } from "./handler.ts";
import { Listeners, type MissingListener } from "./listeners.ts";
import { Machine } from "./machine.ts";
import { Preparation } from "./preparation.ts";
import { differenceOf, type SavedServiceState } from "./saved.ts";
import { isWatching, type ServiceEffect, type ServiceEvent, type ServiceState } from "./state.ts";
import { Traces } from "./traces.ts";
import type { World } from "./world.ts";

/** Why a Unix socket has no twin that is to have one. */
const twinless = {
  bound: "as where a file system cannot exchange two names",
  kept: "and gets one when the service is started anew",
} as const;

const keptWorkers: Applied = { workers: "kept", failure: null, ended: 0 };

export class Service {
  readonly counters: Counters = newCounters();
  readonly handlers = new Map<number, Handler>();
  readonly listeners: Listeners;
  readonly connections: Connections;
  readonly #world: World;
  readonly traces: Traces;
  readonly #generations: Generations;
  readonly #machine: Machine;
  readonly #preparation: Preparation;
  #opening: Promise<void> = Promise.resolve();
  #whenEmpty: (() => void)[] = [];
  #draining = false;

  constructor(world: World, config: ServiceConfig) {
    this.#world = world;
    this.#machine = this.#newMachine(config);
    this.#preparation = this.#newPreparation(config);
    this.traces = new Traces(world);
    this.connections = new Connections(world, config, this.counters);
    this.listeners = new Listeners(world, config.listeners, () => this.#hasTwins, {
      misfit: ({ kind }) => {
        const { handoff } = this.config;
        const why = listenerMisfit(kind, handoff);
        return why === null ? null : `a ${kind} socket does not go with handoff = "${handoff}": ${why}`;
      },
      bound: (listener, recovered) => this.#bound(listener, recovered),
      renewed: (listener) => this.#listening(listener),
      missing: (missing, again) => this.#missing(missing, again),
      readable: (listener) => this.#readable(listener),
      isHeld: (listener) => this.#isHeld(listener),
      isTwinHeld: (listener) => this.#isTwinHeld(listener),
      isReadOn: (listener) => this.#current.handoff.readsOn(listener),
      closing: (listener) => {
        for (const { handoff } of this.#generations.all) handoff.closing(listener);
      },
    });
    this.#generations = new Generations(world, config, this.#newOwner(), () => {
      if (this.#isWatching()) this.#current.handoff.resume();
    });
  }

  get #current(): Generation {
    return this.#generations.current;
  }

  get config(): ServiceConfig {
    return this.#current.config;
  }

  /** Whether its Unix sockets are to have twins, so that workers can be taken away from them without losing anybody. */
  get #hasTwins(): boolean {
    return this.config.handoff === "listen";
  }

  /** Whether tinetd does the accepting, and so can count. */
  get accepts(): boolean {
    return this.#current.handoff.accepts;
  }

  connectionsOf(handler: Handler): number | null {
    return this.#generations.of(handler)?.handoff.connectionsOf(handler) ?? null;
  }

  /** Open connections: as tinetd knows them where it accepts, else as the kernel counts them; `null` if it cannot. */
  openConnections(): number | null {
    return this.#current.handoff.accepts ? this.connections.open : this.traces.count(this.listeners.bound);
  }

  /** The open connections that tinetd has accepted, and who has each. */
  *knownConnections(): Iterable<readonly [Connection, Pick<HandlerRef, "pid"> | null]> {
    for (const handler of this.handlers.values()) {
      if (handler.connection !== null) yield [handler.connection, handler];
    }
    for (const { handoff } of this.#generations.all) yield* handoff.connections();
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
    return this.traces.samples(this.listeners.bound);
  }

  get state(): ServiceState {
    return this.#machine.state;
  }

  /** Resolves when every listener has been tried once. */
  async start(): Promise<void> {
    if (this.state.name !== "stopped") return;
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
    this.#draining = true;
    await this.#drain();
    this.#draining = false;
  }

  async #drain(): Promise<void> {
    if (this.#current.handoff.accepts) {
      this.#dispatch({ type: "drain" });
      await this.connections.whenNone();
      // Somebody may have started it again meanwhile, or has lost patience.
      if (this.state.name !== "stopped") return;
      this.#current.launcher.close();
      this.#stopHandlers("the service is stopped");
    } else await this.#drainAcceptors();
    await this.stop();
  }

  /** Handlers that accept: they are told to stop once nobody is there, and nobody new can come to them. */
  async #drainAcceptors(): Promise<void> {
    closeDoors(this.#world.sys, this.listeners.bound);
    while (this.handlers.size > 0 && !this.#generations.isLeft(this.#current))
      await this.#generations.pause();
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

  /**
   * Takes another configuration while it serves. Rules count from the next connection on; where handlers are to be
   * started in another way, the next one is, and workers are replaced as `replace` says.
   */
  async apply(config: ServiceConfig, replaces: boolean): Promise<Applied> {
    const single = this.#hasTwins ? [] : this.listeners.bound;
    const isStopped = this.state.name === "stopped";
    const applied = replaces ? await this.#generations.succeed(config, isStopped) : keptWorkers;
    if (applied.failure !== null) return applied;
    this.#current.config = config;
    this.connections.configure(config);
    await this.listeners.reconfigure(config.listeners, !isStopped);
    for (const listener of this.listeners.bound) {
      // While one is made the path leads to nobody for a moment, and a reload refuses nobody.
      if (single.includes(listener) && this.#lacksTwin(listener)) this.#listening(listener, "kept");
    }
    this.#current.handoff.configured();
    this.#tryAgain();
    this.listeners.rewatch();
    if (this.#isWatching()) this.#current.handoff.resume();
    return applied;
  }

  /** What kept it from serving may not hold any more under the present configuration. */
  #tryAgain(): void {
    const handlers = this.handlers.size;
    if (this.#preparation.failures > 0) void this.#open();
    else if (this.state.name === "failed" && this.state.cause === "starts")
      this.#dispatch({ type: "due", handlers });
    else if (this.state.name === "limited") this.#makeRoom();
    this.#checkLimit();
  }

  #isHeld(listener: BoundListener): boolean {
    return this.#generations.isLeaving(this.#current) || this.#current.handoff.holds(listener);
  }

  #isTwinHeld(listener: BoundListener): boolean {
    return (
      this.#generations.isHandingOver ||
      this.#generations.all.some(({ handoff }) => handoff.holdsTwin(listener))
    );
  }

  // -- in place of another process (an upgrade) ----------------------------------------------------------------------

  /** @param inForce its configuration as the daemon has it */
  save(carry: Carry, inForce: ServiceConfig | undefined): SavedServiceState {
    return {
      state: this.state,
      draining: this.#draining,
      unfit: this.#preparation.failures,
      counters: saveCounters(this.counters),
      connections: this.connections.save(),
      listeners: this.listeners.save(carry),
      launcher: this.#current.launcher.save(carry),
      generations: this.#generations
        .save(carry)
        .map(({ config, saved }) => ({ config: differenceOf(config, inForce), saved })),
    };
  }

  /**
   * Takes up what another process has saved, instead of `start`. Nothing is read, written or accepted by it; `goOn` is
   * to be called when all services are restored.
   */
  restore(saved: SavedServiceState, claim: Carry, configOf: (saved: SavedService) => ServiceConfig): void {
    restoreCounters(this.counters, saved.counters);
    this.connections.restore(saved.connections);
    this.#preparation.restore(saved.unfit);
    this.listeners.restore(saved.listeners, claim);
    this.#current.launcher.restore(saved.launcher, claim, (pid) => this.handlers.get(pid));
    const generations = saved.generations.map(({ config, saved }) => ({
      config: config === null ? this.config : configOf(config),
      saved,
    }));
    for (const handler of this.#generations.restore(generations, claim)) {
      this.handlers.set(handler.pid, handler);
      if (handler.connection === null) this.#world.notifications.add(handler.pid, handler);
    }
    this.#machine.restore(saved.state);
    this.#draining = saved.draining;
  }

  /** Resolves when what was about to be bound has been tried. */
  async goOn(): Promise<void> {
    if (this.state.name === "stopped") {
      if (!this.#isEmpty()) void this.drain();
      return;
    }
    if (this.#draining) void this.drain();
    const isFit = this.#preparation.look();
    // Which of them are read on although nobody may come in is known only now.
    this.listeners.rewatch();
    this.#lookOn();
    if (isFit) await this.listeners.open();
  }

  /** The end of the daemon, after `stop`: what leftovers of handlers may still write to stderr is not read any more. */
  close(): void {
    this.#current.launcher.finish();
  }

  /** SIGKILL to every handler: the end of a shutdown that took too long. */
  kill(): void {
    for (const handler of this.handlers.values()) handler.kill();
  }

  // -- the machine --------------------------------------------------------------------------------------------------

  #newMachine({ name }: ServiceConfig): Machine {
    return new Machine(this.#world, {
      name,
      handlers: () => this.handlers.size,
      carryOut: (effect) => this.#carryOut(effect),
      due: () => this.#due(),
      settled: () => this.#lookOn(),
      isOldNews: (state) =>
        state.name === "limited" && state.reason === "descriptors" && this.#current.starts.isShortAgain,
    });
  }

  #dispatch(event: ServiceEvent): void {
    this.#machine.dispatch(event);
  }

  #carryOut(effect: ServiceEffect): void {
    switch (effect.do) {
      case "open":
        this.#opening = this.#open();
        break;
      case "close":
        this.listeners.close();
        break;
      case "release":
        this.#current.launcher.close();
        break;
      case "stop handlers":
        this.#stopHandlers("the service is stopped");
        break;
      case "stop acceptors":
        if (!this.#current.handoff.accepts) this.#stopHandlers("the service is paused");
        break;
      default:
        unreachable(effect);
    }
  }

  #lookOn(): void {
    const watching = this.#isWatching();
    this.listeners.watch(watching);
    if (watching) this.#current.handoff.resume();
  }

  /** Only who accepts can refuse: for a handler that does it by itself, clients always wait. */
  #isWatching(): boolean {
    return isWatching(this.state, this.#current.handoff.accepts ? this.config.onLimit : "queue");
  }

  /** `until` has come. */
  #due(): void {
    if (this.#isShort() && !this.#world.spare()) this.#current.starts.shortage();
    else this.#dispatch({ type: "due", handlers: this.handlers.size });
  }

  // -- listeners ----------------------------------------------------------------------------------------------------

  #newPreparation({ name }: ServiceConfig): Preparation {
    return new Preparation(this.#world, {
      name,
      look: () => this.#current.launcher.prepare(),
      lacks: (reason, until) => this.#dispatch({ type: "lost", reason, until }),
      again: () => {
        if (this.state.name === "failed") void this.#open();
      },
    });
  }

  async #open(): Promise<void> {
    if (!this.#preparation.look()) return;
    // After an upgrade they may be bound all along.
    if (this.listeners.bound.length > 0) this.#dispatch({ type: "bound", handlers: this.handlers.size });
    await this.listeners.open();
  }

  #bound(listener: BoundListener, recovered: boolean): void {
    const { name: service } = this.config;
    this.#listening(listener);
    if (recovered) this.#world.emit({ event: "service.recovered", service, address: listener.canonical });
    this.#dispatch({ type: "bound", handlers: this.handlers.size });
  }

  #listening(listener: BoundListener, since: keyof typeof twinless = "bound"): void {
    const { canonical: address, backlog } = listener;
    const warning = `it has no second socket, ${twinless[since]}: a client that comes just as a worker is stopped can be lost`;
    this.#world.emit({
      event: "service.listening",
      service: this.config.name,
      address,
      backlog,
      ...(this.#lacksTwin(listener) ? { warning } : {}),
    });
  }

  #lacksTwin(listener: BoundListener): boolean {
    return this.#hasTwins && lacksTwin(listener);
  }

  #missing({ address, reason, retryAt, waitMs }: MissingListener, again: boolean): void {
    const service = this.config.name;
    if (!again) this.#world.emit({ event: "service.failed", service, address, reason, retry_ms: waitMs });
    if (this.listeners.bound.length > 0) return;
    this.#dispatch({ type: "lost", reason: `${address}: ${reason}`, until: retryAt });
  }

  /** The total and the descriptors are shared: other services may have used them up since this one looked. */
  #readable(listener: BoundListener): void {
    if (this.#isWatching()) this.#checkLimit();
    if (this.#isWatching() && !this.#world.spare()) this.#current.starts.shortage();
    this.#current.handoff.readable(listener);
  }

  // -- its generations ----------------------------------------------------------------------------------------------

  #newOwner(): GenerationOwner {
    const { listeners, connections, traces, counters } = this;
    return {
      listeners,
      connections,
      peers: new UdpPeers(() => this.config.handoff === "stdio"),
      traces,
      counters,
      mayGoOn: (generation) => generation === this.#current && this.#isWatching(),
      mayStart: (generation) => {
        const { name } = this.state;
        return name !== "stopped" && name !== "failed" && !this.#generations.isLeaving(generation);
      },
      isStopped: () => this.state.name === "stopped",
      released: (then) => this.#released(then),
      load: (pending) => this.#load(pending),
      started: (_generation, handler) => this.#started(handler),
      ready: (generation, handler) => {
        if (handler.connection === null) {
          const tookMs = this.#world.clock.now() - handler.startedAt;
          counters.coldStartMs = Math.round(tookMs);
          observe(counters.coldStarts, tookMs / 1000);
        }
        this.#generations.judged(generation, null);
      },
      gone: (generation, handler, exit) => {
        this.#gone(handler, exit);
        this.#generations.judged(generation, endedTooSoon);
      },
      connectionOpened: () => this.#checkLimit(),
      connectionGone: () => this.#connectionGone(),
      backOff: (generation, reason, until) => {
        if (generation === this.#current) this.#dispatch({ type: "back-off", reason, until });
        else this.#generations.judged(generation, reason);
      },
      short: (until) => this.#dispatch({ type: "full", reason: "descriptors", until }),
    };
  }

  /** One who was kept outside has come in or gone: `then` says which, and there is room again only if he has gone. */
  #released(then: () => void): void {
    then();
    if (reachedLimit(this.#load()) !== "limit") {
      this.#dispatch({ type: "room", reason: "limit", handlers: this.handlers.size });
    }
    this.listeners.rewatch();
  }

  #started(handler: Handler): void {
    const { name: service } = this.config;
    const { connection } = handler;
    this.handlers.set(handler.pid, handler);
    const by = connection === null ? this.traces.whoWaits(this.listeners.bound) : connection.remote;
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
    return this.state.name === "limited" && this.state.reason === "descriptors";
  }

  #gone(handler: Handler, exit: ChildExit): void {
    const { pid, code } = exit;
    const signal = exit.signal === null ? null : signalName(exit.signal);
    this.handlers.delete(handler.pid);
    this.#generations.forgetEmpty();
    this.#world.notifications.remove(handler.pid);
    this.counters.lastExit = { pid, code, signal, at: this.#world.clock.wall() };
    observe(this.counters.handlerDurations, (this.#world.clock.now() - handler.startedAt) / 1000);
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
    this.#generations.forgetEmpty();
    if (this.state.name === "limited") this.#makeRoom();
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
      failing: this.state.name === "failed",
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
