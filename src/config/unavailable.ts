/** Finds what a configuration sets and the daemon cannot do yet (the table is in availability.ts). */
import type { EndpointKind } from "../net/address.ts";
import { snakeToCamel } from "../util/case.ts";
import type { Availability } from "./availability.ts";
import type { ListenerConfig } from "./config.ts";
import { builtinDefaults } from "./defaults.ts";
import { isTable, type Located } from "./located.ts";
import type { Problem } from "./problem.ts";
import { handoffs } from "./schema/handoff.ts";
import { daemonTable, listenerTable, serviceTable } from "./schema/index.ts";
import { type KeyTable, setRows } from "./schema/key.ts";
import { defaultsOf } from "./table.ts";

/** Keys of a table that are set to anything but their default, and not available. */
export function availabilityProblems(
  section: "daemon" | "service",
  values: Record<string, unknown>,
  table: Located,
  service: string | null,
  availability: Availability,
): Problem[] {
  const rows = section === "daemon" ? daemonTable : serviceTable;
  const missing = indexOf(availability);
  const problems: Problem[] = [];
  for (const [path, value] of setKeys(rows, values)) {
    const group = missing.keys.get(`${section} ${path}`);
    const valueGroup = missing.keys.get(`${section} ${path} ${String(value)}`);
    const what =
      group !== undefined && !isDefault(section, path, value)
        ? `\`${path}\` is not available yet (it comes with ${group})`
        : valueGroup !== undefined &&
          `${path} = "${String(value)}" is not available yet (it comes with ${valueGroup})`;
    if (what === false) continue;
    problems.push({
      position: table.at(path.split("."), "key"),
      message: what,
      hint: null,
      service,
      key: path,
    });
  }
  return problems;
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
    const values: Record<string, unknown> = { ...options };
    for (const [option, { name, group: with_ }] of missing.options) {
      if (name in shared || same(values[name], listenerDefaults[name])) continue;
      add(option, `listen: \`${option}\` is not available yet (it comes with ${with_})`);
    }
  }
  return [...problems.values()];
}

/** The table of what is missing, the other way round. */
interface Missing {
  /** `service rate`, `service handoff wait`. */
  keys: Map<string, string>;
  options: Map<string, { name: string; group: string }>;
  endpoints: Map<EndpointKind, string>;
}

const indexes = new WeakMap<Availability, Missing>();

function indexOf(availability: Availability): Missing {
  let missing = indexes.get(availability);
  if (missing !== undefined) return missing;
  missing = { keys: new Map(), options: new Map(), endpoints: new Map() };
  for (const section of ["daemon", "service"] as const) {
    for (const [group, paths] of Object.entries(availability[section])) {
      for (const path of paths) missing.keys.set(`${section} ${path}`, group);
    }
  }
  for (const [group, rows] of Object.entries(availability.values)) {
    for (const row of rows) missing.keys.set(row.join(" "), group);
  }
  for (const [group, names] of Object.entries(availability.listener)) {
    for (const name of names) {
      missing.options.set(name, { name: snakeToCamel(name), group });
      missing.keys.set(`service socket.${name}`, group);
    }
  }
  for (const [group, kinds] of Object.entries(availability.endpoints)) {
    for (const kind of kinds) missing.endpoints.set(kind, group);
  }
  indexes.set(availability, missing);
  return missing;
}

const listenerDefaults = defaultsOf(listenerTable);

/** Every key that has a value, those inside tables too. */
function setKeys(rows: KeyTable, values: Record<string, unknown>): [path: string, value: unknown][] {
  const set: [string, unknown][] = [];
  for (const { key, row, value } of setRows(rows, values)) {
    set.push([key, value]);
    if (row.fields === null || !isTable(value)) continue;
    for (const [path, part] of setKeys(row.fields, value)) set.push([`${key}.${path}`, part]);
  }
  return set;
}

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
