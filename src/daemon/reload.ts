/** What a new configuration changes: pure, service by service, by name. */
import type { Config, DaemonConfig, ServiceConfig } from "../config/config.ts";
import { encodeDaemon, encodeService, type TomlTable } from "../config/encode.ts";
import { isSameService } from "../config/same.ts";
import { daemonTable } from "../config/schema/index.ts";
import { rowsOf } from "../config/schema/key.ts";
import type { Applied } from "../service/generations.ts";

export interface ServiceChange {
  config: ServiceConfig;
  /** As inetd.toml spells them. */
  keys: string[];
  /** Whether newcomers are to be handed over in another way, so that workers that run are replaced. */
  replaces: boolean;
}

/** What became of one service that was to change. */
export interface Change extends Applied {
  service: string;
  keys: string[];
}

export interface ReloadPlan {
  added: ServiceConfig[];
  removed: string[];
  changed: ServiceChange[];
  unchanged: number;
  /** Keys of `[daemon]` that differ. */
  daemon: string[];
}

/** Keys of `[daemon]` that a reload can apply; all others count from the next start on. */
const reloadable: readonly string[] = [
  "log",
  "control_group",
  "status_group",
  "http",
  "max_connections",
  "shutdown_timeout",
];

/**
 * What can change under handlers that run: who is let in, and what is to become of workers, which is asked for when the
 * moment comes. Everything else decides how they are started or what they are told, which they keep to their end: where
 * workers run, they are replaced.
 */
const rules: ReadonlySet<string> = new Set([
  "description",
  "enabled",
  "listen",
  "log",
  "max_instances",
  "on_limit",
  "refusal",
  "replace",
  "drain_timeout",
  "first_byte_timeout",
  "start_timeout",
  "start_limit",
  "workers",
  "restart",
  "idle_timeout",
  "on_idle",
  "max_frozen",
  "max_lifetime",
  "stop_signal",
  "stop_timeout",
  "on_disconnect",
]);

export function planReload(before: Config, after: Config): ReloadPlan {
  const plan: ReloadPlan = {
    added: [],
    removed: [...before.services.keys()].filter((name) => !after.services.has(name)),
    changed: [],
    unchanged: 0,
    daemon: differing(encodeDaemon(before.daemon), encodeDaemon(after.daemon)),
  };
  for (const [name, config] of after.services) {
    const old = before.services.get(name);
    const keys = old === undefined ? [] : differingKeys(old, config);
    if (old === undefined) plan.added.push(config);
    else if (keys.length === 0) plan.unchanged += 1;
    else plan.changed.push({ config, keys, replaces: !keys.every((key) => isRule(key, config)) });
  }
  return plan;
}

/** What would become of each service, if nothing goes wrong. */
export function plannedChanges({ changed }: ReloadPlan): Change[] {
  return changed.map(({ config, keys, replaces }) => ({
    service: config.name,
    keys,
    workers: replaces ? "replaced" : "kept",
    failure: null,
    ended: 0,
  }));
}

/** What is postponed does not count: it differs again at the next reload. */
export function isNothing(plan: ReloadPlan): boolean {
  const { added, removed, changed } = plan;
  return added.length + removed.length + changed.length + followed(plan).length === 0;
}

export function postponed({ daemon }: ReloadPlan): string[] {
  return daemon.filter((key) => !reloadable.includes(key));
}

/** The keys of `[daemon]` that a reload can apply, and that differ. */
export function followed({ daemon }: ReloadPlan): string[] {
  return daemon.filter((key) => reloadable.includes(key));
}

/** The keys of `[daemon]` that are in force: the new ones, but those that could not be had. @param kept as before */
export function mergeDaemon(
  before: DaemonConfig,
  after: DaemonConfig,
  kept: readonly string[],
): DaemonConfig {
  const old: Readonly<Record<string, unknown>> = before;
  const names = [...rowsOf(daemonTable).values()].filter(({ key }) => kept.includes(key));
  return { ...after, ...Object.fromEntries(names.map(({ name }) => [name, old[name]])) };
}

/** Workers that accept by themselves were given the listeners when they were started. */
function isRule(key: string, { handoff }: ServiceConfig): boolean {
  return rules.has(key) && !(key === "listen" && (handoff === "listen" || handoff === "wait"));
}

/** A value may differ that has no meaning for the service, or that is written in the same way. */
function differingKeys(before: ServiceConfig, after: ServiceConfig): string[] {
  return isSameService(before, after) ? [] : differing(encodeService(before), encodeService(after));
}

function differing(one: TomlTable, other: TomlTable): string[] {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].filter((key) => JSON.stringify(one[key]) !== JSON.stringify(other[key]));
}
