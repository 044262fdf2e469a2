/** Finds what a configuration sets and the daemon cannot do yet (the table is in availability.ts). */
import type { EndpointKind } from "../net/address.ts";
import { snakeToCamel } from "../util/case.ts";
import type { Availability } from "./availability.ts";
import type { ListenerConfig } from "./config.ts";
import { builtinDefaults } from "./defaults.ts";
import { isTable, type Located } from "./located.ts";
import type { Problem } from "./problem.ts";
import { type Handoff, handoffs } from "./schema/handoff.ts";
import { daemonTable, listenerTable, serviceTable } from "./schema/index.ts";
import { type KeyTable, rowNamed } from "./schema/key.ts";
import { defaultsOf } from "./table.ts";

/** What sort of service it is, as far as is known: some keys are there for one sort alone. */
export interface ServiceSort {
  handoff: Handoff | null;
  kinds: ReadonlySet<EndpointKind>;
}

/** Keys of a table that are set to anything but their default, and not available. */
export function availabilityProblems(
  section: "daemon" | "service",
  values: Record<string, unknown>,
  table: Located,
  service: string | null,
  availability: Availability,
  sort: ServiceSort = { handoff: null, kinds: new Set() },
): Problem[] {
  const missing = indexOf(availability)[section];
  const problems: Problem[] = [];
  const look = (rows: KeyTable, part: Record<string, unknown>, prefix: string) => {
    for (const name of Object.keys(part)) {
      const found = rowNamed(rows, name);
      if (found === undefined) continue;
      const path = prefix + found.key;
      const value = part[name];
      if (isExcepted(availability.except[path], sort)) continue;
      const what = unavailable(missing.get(path), section, path, value);
      if (what !== null) {
        problems.push({
          position: table.at(path.split("."), "key"),
          message: what,
          hint: null,
          service,
          key: path,
        });
      }
      if (found.row.fields !== null && isTable(value)) look(found.row.fields, value, `${path}.`);
    }
  };
  look(section === "daemon" ? daemonTable : serviceTable, values, "");
  return problems;
}

function isExcepted(except: Availability["except"][string] | undefined, sort: ServiceSort): boolean {
  if (except === undefined) return false;
  return sort.handoff === except.handoff && sort.kinds.size === 1 && sort.kinds.has(except.kind);
}

function unavailable(
  missing: MissingKey | undefined,
  section: "daemon" | "service",
  path: string,
  value: unknown,
): string | null {
  if (missing === undefined) return null;
  if (missing.group !== null && !isDefault(section, path, value)) {
    return `\`${path}\` is not available yet (it comes with ${missing.group})`;
  }
  const group = typeof value === "string" ? missing.values.get(value) : undefined;
  return group === undefined ? null : `${path} = "${value}" is not available yet (it comes with ${group})`;
}

/**
 * Kinds of listeners and options of one listener that are not available; each is told once per service.
 * @param shared `socket` of the service and of the defaults, which have been looked at
 */
export function listenerAvailability(
  listeners: readonly ListenerConfig[],
  shared: Record<string, unknown>,
  service: string,
  availability: Availability,
): Problem[] {
  const missing = indexOf(availability);
  const problems = new Map<string, Problem>();
  for (const { endpoint, options, position } of listeners) {
    const add = (what: string, message: string) => {
      if (!problems.has(what)) problems.set(what, { position, message, hint: null, service, key: "listen" });
    };
    const group = missing.endpoints.get(endpoint.kind);
    if (group !== undefined) {
      add(
        endpoint.kind,
        `listen: sockets of kind ${endpoint.kind} are not available yet (they come with ${group})`,
      );
    }
    const values = options as Record<string, unknown>;
    for (const [option, { name, group: with_ }] of missing.options) {
      if (name in shared || same(values[name], listenerDefaults[name])) continue;
      add(option, `listen: \`${option}\` is not available yet (it comes with ${with_})`);
    }
  }
  return [...problems.values()];
}

/** What a key comes with, or some of its values. */
interface MissingKey {
  group: string | null;
  values: Map<string, string>;
}

/** The table of what is missing, the other way round. */
interface Missing {
  /** By the paths of keys. */
  daemon: Map<string, MissingKey>;
  service: Map<string, MissingKey>;
  options: Map<string, { name: string; group: string }>;
  endpoints: Map<EndpointKind, string>;
}

const indexes = new WeakMap<Availability, Missing>();

function indexOf(availability: Availability): Missing {
  let missing = indexes.get(availability);
  if (missing === undefined) {
    missing = makeIndex(availability);
    indexes.set(availability, missing);
  }
  return missing;
}

function makeIndex(availability: Availability): Missing {
  const missing: Missing = {
    daemon: new Map(),
    service: new Map(),
    options: new Map(),
    endpoints: new Map(),
  };
  for (const section of ["daemon", "service"] as const) {
    for (const [group, paths] of Object.entries(availability[section])) {
      for (const path of paths) missing[section].set(path, { group, values: new Map() });
    }
  }
  for (const [group, names] of Object.entries(availability.listener)) {
    for (const name of names) {
      missing.options.set(name, { name: snakeToCamel(name), group });
      missing.service.set(`socket.${name}`, { group, values: new Map() });
    }
  }
  for (const [group, rows] of Object.entries(availability.values)) {
    for (const [section, path, value] of rows) {
      const entry = missing[section].get(path) ?? { group: null, values: new Map() };
      missing[section].set(path, entry);
      entry.values.set(value, group);
    }
  }
  for (const [group, kinds] of Object.entries(availability.endpoints)) {
    for (const kind of kinds) missing.endpoints.set(kind, group);
  }
  return missing;
}

const listenerDefaults = defaultsOf(listenerTable);

/** Of some keys the default depends on the handoff: any of them counts. */
function isDefault(section: "daemon" | "service", path: string, value: unknown): boolean {
  const sets = section === "daemon" ? daemonDefaults : serviceDefaults;
  return sets.some((defaults) => isWithin(value, valueAt(defaults, path)));
}

const daemonDefaults = [defaultsOf(daemonTable)];
const serviceDefaults = handoffs.map((handoff) => ({
  ...builtinDefaults(handoff, new Set()),
  socket: defaultsOf(listenerTable),
}));

function valueAt(values: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((outer, step) => (isTable(outer) ? outer[snakeToCamel(step)] : undefined), values);
}

/** A table says the default if every key that it has does. */
function isWithin(value: unknown, defaults: unknown): boolean {
  if (isTable(value) && isTable(defaults)) {
    return Object.entries(value).every(([name, part]) => isWithin(part, defaults[name]));
  }
  return same(value, defaults);
}

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
