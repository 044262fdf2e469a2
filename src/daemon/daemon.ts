/** The daemon: owns the services and what they share, from the first bind to the last handler's end. */
import type { Config, DaemonConfig, Problem, ServiceConfig } from "../config/config.ts";
import { type SavedConfig, type SavedService, saveConfig } from "../config/saved.ts";
import type { CallerWorld } from "../control/callers.ts";
import type { Plan, Status } from "../control/messages.ts";
import type { Figures } from "../control/metrics.ts";
import type { Refusal } from "../control/routes.ts";
import type { SavedControl } from "../control/server.ts";
import type { DaemonEvent, Emit } from "../log/events.ts";
import { Feed, tee } from "../log/feed.ts";
import { isLogged } from "../log/filter.ts";
import type { LogLosses } from "../log/logger.ts";
import type { Carry } from "../native/carry.ts";
import type { Fd, Sys } from "../native/sys.ts";
import { formatSocketAddress } from "../net/address.ts";
import type { InheritedSocket } from "../net/adopt.ts";
import { Ends, type SavedEnds } from "../net/ends.ts";
import { createFarewells, type Farewells, type SavedFarewells } from "../net/farewell.ts";
import { type BoundListener, carryListener } from "../net/listen.ts";
import type { Host } from "../process/machine.ts";
import type { SavedNotifySocket } from "../process/notify.ts";
import { usualPriority } from "../process/priority.ts";
import { Processes, type SavedProcesses } from "../process/processes.ts";
import { measureServices } from "../service/figures.ts";
import { Notifications } from "../service/notifications.ts";
import { Service } from "../service/service.ts";
import { describeService } from "../service/status.ts";
import { Total, type World } from "../service/world.ts";
import type { Clock } from "../util/clock.ts";
import { err, ok, type Result } from "../util/result.ts";
import { type Control, openControl, resumeControl } from "./control.ts";
import { measureProcess } from "./figures.ts";
import { Operator } from "./operator.ts";
import type { PidFile, SavedPidFile } from "./pidfile.ts";
import { Reloader } from "./reloader.ts";
import { Reserve } from "./reserve.ts";
import { Roster, type SavedRoster } from "./roster.ts";
import type { Setting } from "./settings.ts";
import type { KeptCode } from "./upgrade/kept-code.ts";
import type { Program } from "./upgrade/program.ts";
import { upgrade } from "./upgrade/upgrade.ts";
import { Web } from "./web.ts";

export interface DaemonWorld {
  sys: Sys;
  clock: Clock;
  emit: Emit;
  /** Reports an exception that nobody expected. */
  bug(error: unknown): void;
  /** What the log had no room for so far. */
  logLosses(): LogLosses;
  /** Logs as another `[daemon]` says, or gives the reason why all is as before. */
  configureLog(config: DaemonConfig): Result<null, string>;
  host: Host;
  pid: number;
  version: string;
  /** Sockets it was started with; the daemon keeps them. */
  inherited: InheritedSocket[];
  /** /dev/null, for reading and writing; the daemon keeps it. */
  nothing: Fd;
  /** Reads the configuration again. */
  loadConfig(): Result<Config, Problem[]>;
  /** Where the control socket is to be; `null`: nowhere. */
  controlSocket: string | null;
  /** How to execute ourselves anew. */
  program: Program;
  pidFile: PidFile | null;
  /** A copy of our code; `null` where the sources are run as they are. */
  code: KeptCode | null;
  /** Resolves when the log is written. */
  flushLog(): Promise<unknown>;
  /** What another process of our pid had, in whose place we go on; `null` for a start. */
  restored: { state: SavedDaemon; claim: Carry } | null;
}

/** All of a daemon at one moment. Moments are on the monotonic clock. */
export interface SavedDaemon {
  /** In milliseconds since 1970. */
  startedAt: number;
  generation: number;
  /** The number of the last one. */
  connections: number;
  config: SavedConfig;
  ends: SavedEnds;
  processes: SavedProcesses;
  notifications: SavedNotifySocket | null;
  farewells: SavedFarewells;
  feed: ReturnType<Feed["save"]>;
  control: SavedControl | null;
  http: BoundListener[];
  pidFile: SavedPidFile | null;
  services: SavedRoster;
}

/** Descriptors that the daemon needs beside one for each connection: its own, the reserve, the control socket's. */
const ownDescriptors = 128;
/** For the handlers of all connections of one turn (`acceptsPerTurn`): a pidfd, a pipe's two ends, a cgroup's directory. */
const reservedDescriptors = 8 * 4;

export class Daemon {
  readonly #world: DaemonWorld;
  readonly #feed: Feed;
  readonly #roster: Roster;
  readonly #farewells: Farewells;
  readonly #reserve: Reserve;
  readonly #total: Total;
  readonly #processes: Processes;
  readonly #notifications: Notifications;
  readonly #ends: Ends;
  readonly #diag: Fd;
  readonly #startedAt: Date;
  readonly #reloader: Reloader;
  readonly #operator: Operator;
  #control: Control | null = null;
  /** Of `http`. */
  readonly #web: Web;
  #connections = 0;
  /** Resolves when `stop` has come to its end: nothing is left to do but to exit. */
  readonly ended: Promise<void>;
  #tellEnded: () => void = () => {};
  #isDraining = false;
  #upgrading = false;
  #stopping: Promise<void> | null = null;
  #servicesStopped: Promise<void> | null = null;

  constructor(world: DaemonWorld, config: Config) {
    const { sys, clock, emit, host, nothing, restored } = world;
    const state = restored?.state ?? null;
    this.#world = world;
    this.ended = new Promise((resolve) => {
      this.#tellEnded = resolve;
    });
    this.#startedAt = state === null ? clock.wall() : new Date(state.startedAt);
    this.#connections = state?.connections ?? 0;
    this.#feed = new Feed(() => clock.wall().getTime());
    this.#farewells = createFarewells(
      sys,
      undefined,
      restored === null ? null : { state: restored.state.farewells, claim: restored.claim },
    );
    this.#reserve = new Reserve(sys, nothing, reservedDescriptors);
    this.#diag = sys.socket("netlink", "raw", sys.constants.NETLINK_SOCK_DIAG ?? 4);
    this.#total = new Total(this.#mostConnections(config));
    this.#ends = new Ends(
      sys,
      clock,
      this.#diag,
      restored === null ? null : { state: restored.state.ends, claim: restored.claim },
    );
    this.#notifications = new Notifications(sys);
    this.#processes = new Processes(
      { sys, clock, emit, pid: world.pid },
      undefined,
      restored === null ? null : { state: restored.state.processes, claim: restored.claim },
    );
    const shared: World = {
      sys,
      clock,
      emit,
      host,
      nothing,
      diag: this.#diag,
      limits: {
        constants: sys.constants,
        hardLimit: (resource) => sys.getrlimit(resource).hard,
        priority: usualPriority(),
      },
      total: this.#total,
      processes: this.#processes,
      notifications: this.#notifications,
      ends: this.#ends,
      inherited: world.inherited,
      farewells: this.#farewells,
      lend: (action) => this.#reserve.lend(action),
      spare: () => this.#reserve.refill(),
      nextConnection: () => ++this.#connections,
    };
    this.#roster = new Roster(
      (service) => this.#newService(shared, service),
      world.inherited,
      restored === null ? config.services.values() : [],
    );
    this.#reloader = new Reloader(
      {
        emit: (event) => this.emit(event),
        loadConfig: world.loadConfig,
        roster: this.#roster,
        settings: this.#newSettings(),
        applied: (removed) => this.#followed(removed),
      },
      config,
      state?.generation,
    );
    this.#operator = new Operator(this, clock, this.#feed);
    this.#web = this.#newWeb(config);
  }

  /**
   * Binds everything; resolves when each listener has been tried once.
   * @returns how many listeners there are and how much could not be bound, or why the daemon cannot run at all
   */
  async start(): Promise<Result<{ listeners: number; failed: number }, string>> {
    const control = await this.#openControl();
    if (!control.ok) return control;
    const { enabled } = this.#roster;
    if (!this.isStopping) await Promise.all(enabled.map((service) => service.start()));
    // After the services: an address that both want is theirs.
    if (!this.isStopping) await this.#web.open();
    // The signal to stop may come at any moment; what was opened after it nobody else would close.
    if (this.isStopping) {
      await Promise.all([this.#control?.close(), this.#web.close()]);
      return ok({ listeners: 0, failed: 0 });
    }
    const listeners = this.services.reduce((sum, service) => sum + service.listeners.bound.length, 0);
    const unknown = this.#closeUnknown();
    const failed = this.services.filter(
      (s) => s.state.name === "failed" || s.listeners.missing.length > 0,
    ).length;
    this.emit({
      event: "daemon.ready",
      pid: this.#world.pid,
      version: this.#world.version,
      services: enabled.length,
      listeners,
      failed,
      max_connections: this.#total.max,
      ...(unknown.length > 0 ? { unknown } : {}),
    });
    return ok({ listeners, failed: failed + (this.#web.isMissing ? 1 : 0) });
  }

  // -- in place of another process (an upgrade) ----------------------------------------------------------------------

  /**
   * Takes up all that another process has saved. Nothing is read, written or accepted by it, so that whoever was there
   * before can go on if it throws; then `goOn`.
   * @param configOf reads the configuration of a service that is not as the present one has it
   */
  restore(configOf: (saved: SavedService) => ServiceConfig): void {
    const { restored } = this.#world;
    if (restored === null) throw new Error("there is nothing to be restored");
    const { state, claim } = restored;
    this.#feed.restore(state.feed);
    this.#notifications.restore(state.notifications, claim);
    this.#roster.restore(state.services, claim, this.config, configOf);
    this.#web.resume(state.http.map((listener) => carryListener(listener, claim)));
    const { controlSocket: path, host } = this.#world;
    if (state.control === null || path === null) return;
    const listener = carryListener(state.control.listener, claim);
    const control = resumeControl(this.#controlWorld(), path, listener, host.uid, this.config.daemon);
    if (!control.ok) throw new Error(control.error);
    this.#control = control.value;
    for (const fd of state.control.waiting) claim(fd);
  }

  /** Goes on with what was restored. Resolves when what was about to be bound has been tried. */
  async goOn(): Promise<void> {
    this.#processes.begin();
    await this.#roster.goOn();
    if (this.#web.isMissing) await this.#web.open();
  }

  /** @returns why there is no upgrade; with one this process goes on as another and never returns */
  async upgrade(): Promise<Result<never, Refusal>> {
    if (this.#upgrading) return err({ kind: "conflict", message: "an upgrade is under way" });
    const objection = this.#objection();
    if (objection !== null) return err({ kind: "conflict", message: objection });
    this.#upgrading = true;
    const error = await this.#upgrade();
    this.#upgrading = false;
    this.emit({ event: "daemon.upgrade", error });
    return err({ kind: "failed", message: error });
  }

  /** @returns why not */
  async #upgrade(): Promise<string> {
    const { sys, clock, nothing, program, version, code, flushLog } = this.#world;
    try {
      return await upgrade({
        sys,
        clock,
        processes: this.#processes,
        nothing,
        program,
        version,
        code,
        save: (carry) => this.#save(carry),
        flush: flushLog,
        objection: () => this.#objection(),
      });
    } catch (error) {
      return `the state cannot be saved: ${(error as Error).message}`;
    }
  }

  /** What keeps everything from being saved at this moment. */
  #objection(): string | null {
    if (this.isStopping || this.#isDraining) return "the daemon is shutting down";
    if (this.#reloader.isBusy) return "a reload is under way";
    const [service] = this.#operator.restarting;
    return service === undefined ? null : `"${service}" is being restarted`;
  }

  #save(carry: Carry): SavedDaemon {
    return {
      startedAt: this.#startedAt.getTime(),
      generation: this.#reloader.generation,
      connections: this.#connections,
      config: saveConfig(this.config),
      ends: this.#ends.save(carry),
      processes: this.#processes.save(carry),
      notifications: this.#notifications.save(carry),
      farewells: this.#farewells.save(carry),
      feed: this.#feed.save(),
      control: this.#control?.save(carry) ?? null,
      http: this.#web.save(carry),
      pidFile: this.#world.pidFile?.save(carry) ?? null,
      services: this.#roster.save(carry, this.config),
    };
  }

  get isStopping(): boolean {
    return this.#stopping !== null;
  }

  /**
   * Stops listening, stops every handler as its service says, and what is left after `shutdown_timeout` with SIGKILL.
   * Called again, it gives the same promise.
   */
  stop(reason: string): Promise<void> {
    // A bug on the way must not make a daemon that cannot be stopped.
    this.#stopping ??= this.#stop(reason).finally(() => this.#tellEnded());
    return this.#stopping;
  }

  /** Lets nobody in any more, and stops when the last connection has ended, however long that takes. */
  async drain(reason: string): Promise<void> {
    if (!this.#isDraining) await this.#drainServices(reason);
    await this.stop(reason);
  }

  async #drainServices(reason: string): Promise<void> {
    if (this.isStopping) return;
    this.#isDraining = true;
    this.emit({ event: "daemon.shutdown", reason: `${reason}, once the last connection has ended` });
    await Promise.all(this.services.map((service) => service.drain()));
  }

  /** In force. */
  get config(): Config {
    return this.#reloader.config;
  }

  /** Those that are not enabled too, which nobody has started yet. */
  get services(): readonly Service[] {
    return this.#roster.all;
  }

  #newWeb({ daemon: { http } }: Config): Web {
    const { sys, clock, bug, inherited } = this.#world;
    const lend: CallerWorld["lend"] = (action) => this.#reserve.lend(action);
    const emit: Emit = (event) => this.emit(event);
    return new Web({ sys, clock, lend, emit, bug, backend: this.#operator, inherited }, http);
  }

  /** What a reload has to tell of `[daemon]`. An address that a service wants too is the service's. */
  #newSettings(): Setting[] {
    return [
      {
        keys: ["log"],
        afterServices: false,
        follow: (after) => {
          const configured = this.#world.configureLog(after);
          return configured.ok ? null : configured.error;
        },
      },
      {
        keys: ["control_group", "status_group"],
        afterServices: false,
        follow: (after) => this.#control?.admit(after) ?? null,
      },
      { keys: ["http"], afterServices: true, follow: ({ http }) => this.#web.move(http) },
    ];
  }

  /** What is logged of a service is decided by the configuration that it has at that moment. */
  #newService(shared: World, config: ServiceConfig): Service {
    const { emit } = this.#world;
    const log: Emit = (event) => {
      if (isLogged(service.config.log, event)) emit(event);
    };
    const service: Service = new Service({ ...shared, emit: tee(this.#feed.emit, log) }, config);
    return service;
  }

  /** Reads the configuration again and does what it says. */
  async reload(how: { dryRun: boolean }): Promise<Result<Plan, Refusal>> {
    if (this.isStopping) return err({ kind: "conflict", message: "the daemon is shutting down" });
    return this.#reloader.reload(how);
  }

  /** Begins the end. Resolves when every service has stopped, while the control socket still answers. */
  async stopServices(reason: string, { drain }: { drain: boolean }): Promise<void> {
    if (drain) await this.#drainServices(reason);
    void this.stop(reason);
    await this.#servicesStopped;
  }

  status(): Status {
    const { pid, version, clock } = this.#world;
    return {
      daemon: {
        pid,
        version,
        started_at: this.#startedAt.toISOString(),
        config: this.config.path,
        generation: this.#reloader.generation,
        connections: this.#total.count,
      },
      services: this.services.map((service) => describeService(service, clock)),
    };
  }

  figures(): Figures {
    const { sys, version, logLosses } = this.#world;
    return {
      daemon: {
        ...measureProcess(sys),
        version,
        generation: this.#reloader.generation,
        startedAtSeconds: this.#startedAt.getTime() / 1000,
        connections: this.#total.count,
        mostConnections: this.#total.max,
        logLosses: logLosses(),
      },
      services: measureServices({ sys, diag: this.#diag }, this.services),
    };
  }

  async #stop(reason: string): Promise<void> {
    const { clock, sys, nothing } = this.#world;
    this.emit({ event: "daemon.shutdown", reason });
    const limit = this.config.daemon.shutdownTimeout;
    const timer = limit === null ? null : clock.after(limit, () => this.kill());
    this.#servicesStopped = Promise.all(this.services.map((service) => service.stop())).then(() =>
      this.#processes.leftoversGone(),
    );
    await this.#servicesStopped;
    timer?.cancel();
    this.#processes.close();
    this.#notifications.close();
    this.#ends.close();
    await Promise.all([this.#control?.close(), this.#web.close()]);
    this.#farewells.close();
    for (const service of this.services) service.close();
    this.#reserve.close();
    sys.close(this.#diag);
    sys.close(nothing);
  }

  /** SIGKILL to every handler; `stop` then comes to its end. */
  kill(): void {
    for (const service of this.services) service.kill();
    this.#processes.killLeftovers();
  }

  #followed(removed: readonly string[]): void {
    this.#total.max = this.#mostConnections(this.config);
    this.#closeUnknown();
    for (const name of removed) this.#feed.forget(name);
  }

  /** Tells of the daemon itself. */
  emit(event: DaemonEvent): void {
    this.#feed.emit(event);
    this.#world.emit(event);
  }

  /** Sockets we were given that nothing declares: kept open, they would let clients connect to nobody. */
  #closeUnknown(): string[] {
    const { inherited, sys } = this.#world;
    return inherited.splice(0).map(({ fd, name, kind, address }) => {
      sys.close(fd);
      return `${name ?? fd} (${formatSocketAddress(kind, address)})`;
    });
  }

  async #openControl(): Promise<Result<null, string>> {
    const { controlSocket, host } = this.#world;
    if (controlSocket === null) return ok(null);
    const opened = await openControl(this.#controlWorld(), controlSocket, host.uid, this.config.daemon);
    if (!opened.ok) return opened;
    this.#control = opened.value;
    return ok(null);
  }

  #controlWorld() {
    const { sys, clock, bug } = this.#world;
    const lend = <T>(action: () => T) => this.#reserve.lend(action);
    return { sys, clock, bug, backend: this.#operator, lend };
  }

  /** `max_connections`, or fewer if the limit of open files does not allow that many. */
  #mostConnections({ daemon }: Config): number {
    const { sys } = this.#world;
    const { soft } = sys.getrlimit(sys.constants.RLIMIT_NOFILE ?? 7);
    const room = soft < 0 ? Number.POSITIVE_INFINITY : Math.max(1, soft - ownDescriptors);
    return Math.min(daemon.maxConnections, room);
  }
}
