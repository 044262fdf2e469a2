/** The services of a daemon: those of its configuration, and those that it has no more but whose clients are still there. */
import type { Config, ServiceConfig } from "../config/config.ts";
import type { SavedService } from "../config/saved.ts";
import type { Carry } from "../native/carry.ts";
import { formatEndpoint } from "../net/address.ts";
import type { InheritedSocket } from "../net/adopt.ts";
import type { SavedServiceState } from "../service/saved.ts";
import type { Service } from "../service/service.ts";
import type { Change, ReloadPlan, ServiceChange } from "./reload.ts";

/** All services at one moment. */
export type SavedRoster = { name: string; departing: boolean; state: SavedServiceState }[];

export class Roster {
  readonly #create: (config: ServiceConfig) => Service;
  /** Sockets that a listener adopts instead of binding its own. */
  readonly #inherited: InheritedSocket[];
  readonly #services = new Map<string, Service>();
  readonly #departing = new Set<Service>();

  constructor(
    create: (config: ServiceConfig) => Service,
    inherited: InheritedSocket[],
    configs: Iterable<ServiceConfig>,
  ) {
    this.#create = create;
    this.#inherited = inherited;
    for (const config of configs) this.#services.set(config.name, create(config));
  }

  /** Those that are on their way out come last. */
  get all(): Service[] {
    return [...this.#services.values(), ...this.#departing];
  }

  get enabled(): Service[] {
    return [...this.#services.values()].filter(({ config }) => config.enabled);
  }

  /** @param inForce the configuration */
  save(carry: Carry, inForce: Config): SavedRoster {
    const save = (service: Service, departing: boolean) => {
      const { name } = service.config;
      return {
        name,
        departing,
        state: service.save(carry, departing ? undefined : inForce.services.get(name)),
      };
    };
    return [
      ...[...this.#services.values()].map((service) => save(service, false)),
      ...[...this.#departing].map((service) => save(service, true)),
    ];
  }

  /** Takes up what another process has saved, instead of starting anything. @param config that was in force there */
  restore(
    saved: SavedRoster,
    claim: Carry,
    config: Config,
    configOf: (one: SavedService) => ServiceConfig,
  ): void {
    for (const { name, departing, state } of saved) {
      const [present] = state.generations;
      const own = present?.config ? configOf(present.config) : config.services.get(name);
      if (own === undefined) throw new Error(`there is no service "${name}"`);
      const service = this.#create(own);
      if (departing) this.#departing.add(service);
      else this.#services.set(name, service);
      service.restore(state, claim, configOf);
    }
  }

  /** Resolves when what was about to be bound when the other process was left has been tried. */
  async goOn(): Promise<void> {
    const departing = [...this.#departing];
    await Promise.all(this.all.map((service) => service.goOn()));
    for (const service of departing) this.#bidFarewell(service);
  }

  /** Carries out a plan; resolves when all that it changes is done but the farewells of services that are removed. */
  async apply(plan: ReloadPlan): Promise<Change[]> {
    const removed = plan.removed.flatMap((name) => this.#services.get(name) ?? []);
    this.#handOn(removed, [...plan.added, ...plan.changed.map(({ config }) => config)]);
    for (const service of removed) this.#remove(service);
    const changed = Promise.all(plan.changed.map((change) => this.#change(change)));
    await Promise.all(plan.added.map((config) => this.#add(config)));
    return changed;
  }

  async #add(config: ServiceConfig): Promise<void> {
    const service = this.#create(config);
    this.#services.set(config.name, service);
    if (config.enabled) await service.start();
  }

  async #change({ config, keys, replaces }: ServiceChange): Promise<Change> {
    const service = this.#services.get(config.name);
    if (service === undefined) throw new Error(`there is no service "${config.name}"`);
    const wasEnabled = service.config.enabled;
    const applied = await service.apply(config, replaces);
    if (applied.failure === null && wasEnabled !== config.enabled) {
      if (config.enabled) await service.start();
      else void service.drain();
    }
    return { service: config.name, keys, ...applied };
  }

  #remove(service: Service): void {
    this.#services.delete(service.config.name);
    this.#departing.add(service);
    this.#bidFarewell(service);
  }

  #bidFarewell(service: Service): void {
    void service.drain().then(() => {
      service.close();
      this.#departing.delete(service);
    });
  }

  /** A socket whose service was merely given another name stays open, with who waits there. */
  #handOn(removed: readonly Service[], heirs: readonly ServiceConfig[]): void {
    const wanted = new Set(
      heirs.flatMap(({ listeners }) => listeners.map(({ endpoint }) => formatEndpoint(endpoint))),
    );
    for (const service of removed) this.#inherited.push(...service.listeners.giveAway(wanted));
  }
}
