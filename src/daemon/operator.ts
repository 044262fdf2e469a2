/** What the daemon does for those who call at the control socket: finds the service, does it, says what came of it. */
import { encodeConfig, type TomlTable } from "../config/encode.ts";
import type {
  ConnectionEntry,
  HandlerEntry,
  LoggedEvent,
  Nothing,
  Plan,
  ServiceDetail,
  Status,
  Upgraded,
} from "../control/messages.ts";
import { formatMetrics } from "../control/metrics.ts";
import type { Backend, Outcome, Refusal } from "../control/routes.ts";
import { type Feed, loggedEvent } from "../log/feed.ts";
import { usageOf } from "../process/usage.ts";
import type { Service } from "../service/service.ts";
import { describeConnections, describeHandlers, describeService, describeWhy } from "../service/status.ts";
import type { Clock } from "../util/clock.ts";
import { nearest } from "../util/nearest.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { Daemon } from "./daemon.ts";

const done: Result<Nothing, Refusal> = ok({});

export class Operator implements Backend {
  readonly #daemon: Daemon;
  readonly #clock: Clock;
  readonly #feed: Feed;
  readonly #restarts: string[] = [];

  constructor(daemon: Daemon, clock: Clock, feed: Feed) {
    this.#daemon = daemon;
    this.#clock = clock;
    this.#feed = feed;
  }

  status(): Status {
    return this.#daemon.status();
  }

  service(name: string): Result<ServiceDetail, Refusal> {
    return this.#with(name, (service) =>
      ok({
        service: describeService(service, this.#clock),
        handlers: this.#handlersOf([service]),
        connections: describeConnections(service, this.#clock),
        events: this.#feed.last(name).map(loggedEvent),
        why: describeWhy(service, this.#clock),
      }),
    );
  }

  handlers(): HandlerEntry[] {
    return this.#handlersOf(this.#daemon.services);
  }

  connections(): ConnectionEntry[] {
    return this.#daemon.services.flatMap((service) => describeConnections(service, this.#clock));
  }

  config(): Record<string, unknown> {
    return hideValues(encodeConfig(this.#daemon.config));
  }

  metrics(): string {
    return formatMetrics(this.#daemon.figures());
  }

  start(name: string): Outcome<Nothing> {
    return this.#with(name, async (service) => {
      await service.start();
      return service.state.name === "failed" ? err(failed(this.#why(service))) : done;
    });
  }

  stop(name: string, { drain }: { drain: boolean }): Outcome<Nothing> {
    return this.#with(name, async (service) => {
      if (drain) await service.drain();
      else await service.stop();
      return done;
    });
  }

  restart(name: string, how: { drain: boolean }): Outcome<Nothing> {
    return this.#with(name, async (service) => {
      this.#restarts.push(name);
      try {
        await (how.drain ? service.drain() : service.stop());
        return await this.start(service.config.name);
      } finally {
        this.#restarts.splice(this.#restarts.indexOf(name), 1);
      }
    });
  }

  /** Services that are stopped, and to be started then. */
  get restarting(): readonly string[] {
    return this.#restarts;
  }

  pause(name: string, { maxWaitMs }: { maxWaitMs: number | null }): Outcome<Nothing> {
    return this.#with(name, (service) => {
      service.pause(maxWaitMs);
      return service.state.name === "paused" ? done : err(conflict(service, "paused"));
    });
  }

  resume(name: string): Outcome<Nothing> {
    return this.#with(name, (service) => {
      service.resume();
      return done;
    });
  }

  kill(target: { pid: number } | { connection: number }): Outcome<Nothing> {
    for (const service of this.#daemon.services) {
      if ("pid" in target) {
        const handler = service.handlers.get(target.pid);
        if (handler === undefined) continue;
        handler.stop("killed by the operator");
        return done;
      }
      for (const [{ id }, handler] of service.knownConnections()) {
        if (id !== target.connection) continue;
        return service.endConnection(id) ? done : err(heldByWorker(id, handler?.pid ?? null));
      }
    }
    const what = "pid" in target ? `${target.pid} is no handler` : `${target.connection} is no connection`;
    return err({ kind: "unknown", message: `${what} of this daemon` });
  }

  reload(how: { dryRun: boolean }): Outcome<Plan> {
    return this.#daemon.reload(how);
  }

  upgrade(): Outcome<Upgraded> {
    return this.#daemon.upgrade();
  }

  async shutdown(how: { drain: boolean }): Promise<Result<Nothing, Refusal>> {
    await this.#daemon.stopServices("tinetd shutdown", how);
    return done;
  }

  follow(follower: (event: LoggedEvent) => void): { last: LoggedEvent[]; stop: () => void } {
    const stop = this.#feed.follow((occurrence) => follower(loggedEvent(occurrence)));
    return { last: this.#feed.lastOfAll().map(loggedEvent), stop };
  }

  #handlersOf(services: readonly Service[]): HandlerEntry[] {
    const usage = usageOf(services.flatMap(({ handlers }) => [...handlers.keys()]));
    return services.flatMap((service) => describeHandlers(service, usage, this.#clock));
  }

  #why(service: Service): string {
    return `${service.config.name}: ${describeWhy(service, this.#clock).reason ?? service.state.name}`;
  }

  #with<T>(name: string, action: (service: Service) => T): T | { ok: false; error: Refusal } {
    const service = this.#daemon.services.find(({ config }) => config.name === name);
    if (service !== undefined) return action(service);
    const near = nearest(
      name,
      this.#daemon.services.map(({ config }) => config.name),
    );
    const hint = near === null ? "" : `; did you mean "${near}"?`;
    return err({ kind: "unknown", message: `there is no service "${name}"${hint}` });
  }
}

function conflict({ config, state }: Service, wanted: string): Refusal {
  return { kind: "conflict", message: `"${config.name}" is ${state.name} and cannot be ${wanted}` };
}

function heldByWorker(id: number, pid: number | null): Refusal {
  const whose = pid === null ? "no worker has it yet" : `worker ${pid} has it; kill ${pid} ends the worker`;
  return { kind: "conflict", message: `connection ${id} cannot be ended alone: ${whose}` };
}

function failed(message: string): Refusal {
  return { kind: "failed", message };
}

/** Whoever may read may see which variables there are, and not what they hold. */
function hideValues(config: TomlTable): TomlTable {
  const services = Object.entries(config.services as Record<string, TomlTable>).map(([name, service]) => {
    const { environment } = service;
    if (environment === undefined) return [name, service];
    const hidden = Object.keys(environment as TomlTable).map((variable) => [variable, "***"]);
    return [name, { ...service, environment: Object.fromEntries(hidden) }];
  });
  return { ...config, services: Object.fromEntries(services) };
}
