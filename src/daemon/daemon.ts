/** The daemon: owns the services and what they share, from the first bind to the last handler's end. */
import type { Config, Problem, ServiceConfig } from "../config/config.ts";
import { formatProblem } from "../config/problem.ts";
import { type CallerLimits, type CallerWorld, roleByCredentials } from "../control/callers.ts";
import type { Plan, Status } from "../control/messages.ts";
import type { Figures } from "../control/metrics.ts";
import { ensureControlDirectory } from "../control/path.ts";
import { nodeRights, type RoleRules } from "../control/roles.ts";
import type { Refusal } from "../control/routes.ts";
import { type ControlServer, serveControl } from "../control/server.ts";
import type { DaemonEvent, Emit } from "../log/events.ts";
import { Feed, tee } from "../log/feed.ts";
import { isLogged } from "../log/filter.ts";
import type { LogLosses } from "../log/logger.ts";
import type { Fd, Sys } from "../native/sys.ts";
import { formatSocketAddress } from "../net/address.ts";
import type { InheritedSocket } from "../net/adopt.ts";
import { Ends } from "../net/ends.ts";
import { createFarewells, type Farewells } from "../net/farewell.ts";
import { openListener } from "../net/listen.ts";
import { type Host, lookUpGroup } from "../process/machine.ts";
import { usualPriority } from "../process/priority.ts";
import { Processes } from "../process/processes.ts";
import { measureServices } from "../service/figures.ts";
import { Notifications } from "../service/notifications.ts";
import { Service } from "../service/service.ts";
import { describeService } from "../service/status.ts";
import { Total, type World } from "../service/world.ts";
import type { Clock } from "../util/clock.ts";
import { err, ok, type Result } from "../util/result.ts";
import { measureProcess } from "./figures.ts";
import { Operator } from "./operator.ts";
import {
  type Change,
  mergeDaemon,
  plannedChanges,
  planReload,
  postponed,
  type ReloadPlan,
} from "./reload.ts";
import { Reserve } from "./reserve.ts";
import { Roster } from "./roster.ts";
import { Web } from "./web.ts";

export interface DaemonWorld {
  sys: Sys;
  clock: Clock;
  emit: Emit;
  /** What the log had no room for so far. */
  logLosses(): LogLosses;
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
}

/** Callers that we know may wait for as long as what they have asked for takes, or follow events for ever. */
const controlLimits: CallerLimits = { count: 64, requestMs: 5_000, answerMs: null };

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
  #config: Config;
  #generation = 1;
  /** The reload that is under way, or the last one. */
  #reloading: Promise<unknown> = Promise.resolve();
  readonly #operator: Operator;
  #control: ControlServer | null = null;
  /** Of `http`. */
  readonly #web: Web | null;
  #connections = 0;
  /** Resolves when `stop` has come to its end: nothing is left to do but to exit. */
  readonly ended: Promise<void>;
  #tellEnded: () => void = () => {};
  #isDraining = false;
  #stopping: Promise<void> | null = null;
  #servicesStopped: Promise<void> | null = null;

  constructor(world: DaemonWorld, config: Config) {
    const { sys, clock, emit, host, nothing } = world;
    this.#world = world;
    this.#config = config;
    this.ended = new Promise((resolve) => {
      this.#tellEnded = resolve;
    });
    this.#startedAt = clock.wall();
    this.#feed = new Feed(() => clock.wall().getTime());
    this.#farewells = createFarewells(sys);
    this.#reserve = new Reserve(sys, nothing, reservedDescriptors);
    this.#diag = sys.socket("netlink", "raw", sys.constants.NETLINK_SOCK_DIAG ?? 4);
    this.#total = new Total(this.#mostConnections());
    this.#ends = new Ends(sys, clock, this.#diag);
    this.#notifications = new Notifications(sys);
    this.#processes = new Processes({ sys, clock, emit, pid: world.pid });
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
      config.services.values(),
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
    if (!this.isStopping) await this.#web?.open();
    // The signal to stop may come at any moment; what was opened after it nobody else would close.
    if (this.isStopping) {
      await Promise.all([this.#control?.close(), this.#web?.close()]);
      return ok({ listeners: 0, failed: 0 });
    }
    const listeners = this.services.reduce((sum, service) => sum + service.listeners.bound.length, 0);
    const unknown = this.#closeUnknown();
    const failed = this.services.filter(
      (s) => s.state.name === "failed" || s.listeners.missing.length > 0,
    ).length;
    this.#emit({
      event: "daemon.ready",
      pid: this.#world.pid,
      version: this.#world.version,
      services: enabled.length,
      listeners,
      failed,
      max_connections: this.#total.max,
      ...(unknown.length > 0 ? { unknown } : {}),
    });
    const missing = this.#web === null || this.#web.isOpen ? 0 : 1;
    return ok({ listeners, failed: failed + missing });
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
    this.#emit({ event: "daemon.shutdown", reason: `${reason}, once the last connection has ended` });
    await Promise.all(this.services.map((service) => service.drain()));
  }

  get config(): Config {
    return this.#config;
  }

  /** Those that are not enabled too, which nobody has started yet. */
  get services(): readonly Service[] {
    return this.#roster.all;
  }

  #newWeb({ daemon: { http } }: Config): Web | null {
    if (http === null) return null;
    const { sys, clock, inherited } = this.#world;
    const lend: CallerWorld["lend"] = (action) => this.#reserve.lend(action);
    const emit: Emit = (event) => this.#emit(event);
    return new Web({ sys, clock, lend, emit, backend: this.#operator, inherited }, http);
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

  /**
   * Reads the configuration again and does what it says, one reload after the other. Resolves when all is done but the
   * farewells of services that are removed.
   */
  reload({ dryRun }: { dryRun: boolean }): Promise<Result<Plan, Refusal>> {
    const reloaded = this.#reloading.then(() => this.#reload(dryRun));
    this.#reloading = reloaded;
    return reloaded;
  }

  async #reload(dryRun: boolean): Promise<Result<Plan, Refusal>> {
    if (this.isStopping) return err({ kind: "conflict", message: "the daemon is shutting down" });
    const loaded = this.#world.loadConfig();
    if (!loaded.ok) {
      const [first] = loaded.error;
      const count = loaded.error.length === 1 ? "1 error" : `${loaded.error.length} errors`;
      const message = `${count} in the configuration, nothing was changed`;
      if (!dryRun)
        this.#tellReload(
          null,
          `${count} in the configuration${first === undefined ? "" : `: ${formatProblem(first)}`}`,
        );
      const problems = loaded.error.map(({ position, message, hint }) => ({ ...position, message, hint }));
      return err({ kind: "invalid", message, problems });
    }
    const plan = planReload(this.#config, loaded.value);
    if (dryRun) return ok(this.#describePlan(plan, plannedChanges(plan)));
    const changes = await this.#carryOut(plan, loaded.value);
    const described = this.#describePlan(plan, changes);
    const failed = changes.flatMap(({ service, failure }) =>
      failure === null ? [] : [`"${service}": ${failure}`],
    );
    this.#tellReload(described, failed.length > 0 ? `${failed.join("; ")} (as before)` : null);
    return ok(described);
  }

  async #carryOut(plan: ReloadPlan, after: Config): Promise<Change[]> {
    const before = this.#config;
    const changes = await this.#roster.apply(plan);
    // A service that could not follow is as it was, and the next reload tries again.
    const services = new Map(after.services);
    for (const { service, failure } of changes) {
      const old = failure === null ? undefined : before.services.get(service);
      if (old !== undefined) services.set(service, old);
    }
    this.#config = { ...after, services, daemon: mergeDaemon(before.daemon, after.daemon) };
    this.#total.max = this.#mostConnections();
    this.#closeUnknown();
    if (plan.added.length + plan.removed.length + plan.changed.length + plan.daemon.length > 0)
      this.#generation += 1;
    for (const name of plan.removed) this.#feed.forget(name);
    return changes;
  }

  #describePlan(plan: ReloadPlan, changes: readonly Change[]): Plan {
    return {
      generation: this.#generation,
      added: plan.added.map(({ name }) => name),
      removed: plan.removed,
      changed: changes.map(({ service, keys, workers, failure }) => ({ service, keys, workers, failure })),
      unchanged: plan.unchanged,
      postponed: postponed(plan),
      ended: changes.reduce((sum, { ended }) => sum + ended, 0),
    };
  }

  #tellReload(plan: Plan | null, error: string | null): void {
    this.#emit({
      event: "daemon.reload",
      generation: this.#generation,
      added: plan?.added ?? [],
      removed: plan?.removed ?? [],
      changed: plan?.changed.map(({ service }) => service) ?? [],
      unchanged: plan?.unchanged ?? this.#config.services.size,
      ...(error === null ? {} : { error }),
    });
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
        config: this.#config.path,
        generation: this.#generation,
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
        generation: this.#generation,
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
    this.#emit({ event: "daemon.shutdown", reason });
    const limit = this.#config.daemon.shutdownTimeout;
    const timer = limit === null ? null : clock.after(limit, () => this.kill());
    this.#servicesStopped = Promise.all(this.services.map((service) => service.stop())).then(() =>
      this.#processes.leftoversGone(),
    );
    await this.#servicesStopped;
    timer?.cancel();
    this.#processes.close();
    this.#notifications.close();
    this.#ends.close();
    await Promise.all([this.#control?.close(), this.#web?.close()]);
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

  #emit(event: DaemonEvent): void {
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
    const { sys, clock, controlSocket, host } = this.#world;
    if (controlSocket === null) return ok(null);
    const folder = ensureControlDirectory(controlSocket, host.uid);
    if (!folder.ok) return err(`cannot make the control socket ${controlSocket}: ${folder.error}`);
    const groups = this.#controlGroups();
    if (!groups.ok) return err(`cannot make the control socket ${controlSocket}: ${groups.error}`);
    const rules = { ownUid: host.uid, ...groups.value };
    const { mode, group } = nodeRights(rules);
    const bound = await openListener(sys, {
      endpoint: { kind: "unix", path: controlSocket },
      options: { name: "control", backlog: 128, mode, ...(group === null ? {} : { group: `${group}` }) },
    });
    if (!bound.ok) return err(`cannot make the control socket ${controlSocket}: ${bound.error.reason}`);
    for (const listener of bound.value) {
      this.#control = serveControl(
        {
          sys,
          clock,
          backend: this.#operator,
          roleOf: roleByCredentials(sys, rules),
          limits: controlLimits,
          lend: (action) => this.#reserve.lend(action),
        },
        listener,
      );
    }
    return ok(null);
  }

  #controlGroups(): Result<Pick<RoleRules, "controlGroup" | "statusGroup">, string> {
    const { controlGroup, statusGroup } = this.#config.daemon;
    const found: (number | null)[] = [];
    for (const name of [controlGroup, statusGroup]) {
      const group = name === null ? null : lookUpGroup(name, this.#world.sys);
      if (name !== null && group === null) return err(`there is no group "${name}"`);
      found.push(group?.gid ?? null);
    }
    const [control = null, status = null] = found;
    return ok({ controlGroup: control, statusGroup: status });
  }

  /** `max_connections`, or fewer if the limit of open files does not allow that many. */
  #mostConnections(): number {
    const { sys } = this.#world;
    const { soft } = sys.getrlimit(sys.constants.RLIMIT_NOFILE ?? 7);
    const room = soft < 0 ? Number.POSITIVE_INFINITY : Math.max(1, soft - ownDescriptors);
    return Math.min(this.#config.daemon.maxConnections, room);
  }
}
