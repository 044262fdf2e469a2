/** What holds for a service where its own table says nothing: our defaults, by handoff, and those of `[defaults]`. */
import type { EndpointKind } from "../net/address.ts";
import { isTable } from "./located.ts";
import { keyMisfit } from "./misfit.ts";
import type { Handoff } from "./schema/handoff.ts";
import { serviceTable } from "./schema/index.ts";
import { type KeyTable, rowsOf } from "./schema/key.ts";
import { defaultsOf, mergeTables } from "./table.ts";

/** Service values by their names in code; not all need be there. */
export type PartialValues = Record<string, unknown>;

/** Keys that become something else in a service: listeners. */
const { listen: _listen, socket: _socket, ...rest } = serviceTable;
const rows: KeyTable = rest;

/** `idle_timeout` of a stdio service on UDP: a flow has no end of its own. */
const udpFlowIdleMs = 30_000;

/** Our own defaults for a handoff and kinds of listeners. */
export function builtinDefaults(handoff: Handoff, kinds: ReadonlySet<EndpointKind>): PartialValues {
  const values = defaultsOf(rows);
  for (const { name, row } of rowsOf(rows).values()) {
    const special = row.defaultFor[handoff];
    if (special !== undefined) values[name] = row.type.parse(special);
  }
  if (handoff === "stdio" && kinds.has("udp")) values.idleTimeout = udpFlowIdleMs;
  return values;
}

/**
 * What else a service has. Every service is a copy of one object with all its properties: adding some to a copy with
 * so many would make it a slow one (a dictionary, to V8), and 1,000 services would take twice as long.
 */
const places = { name: null, position: null, listeners: null, keyPositions: null };

/** All values of a service, what it says itself over `[defaults]` over ours; the rest of it `null`. */
export type ApplyDefaults = (
  own: PartialValues,
  handoff: Handoff,
  kinds: ReadonlySet<EndpointKind>,
) => PartialValues;

/** Services of one sort share the values of their defaults, which are made once and never changed. */
export function applyDefaults(fileDefaults: PartialValues): ApplyDefaults {
  const made = new Map<string, PartialValues>();
  return (own, handoff, kinds) => {
    const sort = [handoff, ...kinds].join(" ");
    let below = made.get(sort);
    if (below === undefined) {
      const inherited = fittingDefaults(fileDefaults, handoff, kinds);
      below = { ...mergeTables(rows, builtinDefaults(handoff, kinds), inherited), ...places };
      made.set(sort, below);
    }
    return mergeTables(rows, below, own);
  };
}

/**
 * The part of `[defaults]` that makes sense for a service. What does not is left out in silence: defaults are written
 * for services of all sorts.
 */
function fittingDefaults(
  defaults: PartialValues,
  handoff: Handoff,
  kinds: ReadonlySet<EndpointKind>,
): PartialValues {
  const fitting: PartialValues = {};
  for (const { key, name, row } of rowsOf(rows).values()) {
    const value = defaults[name];
    if (value === undefined || keyMisfit(key, value, handoff, kinds) !== null) continue;
    const fits = (field: string, part: unknown) =>
      keyMisfit(`${key}.${field}`, part, handoff, kinds) === null;
    fitting[name] = row.fields !== null && isTable(value) ? fittingFields(row.fields, value, fits) : value;
  }
  return fitting;
}

function fittingFields(
  fields: KeyTable,
  values: Record<string, unknown>,
  fits: (field: string, value: unknown) => boolean,
): Record<string, unknown> {
  const there = [...rowsOf(fields).values()].filter(
    ({ key, name }) => name in values && fits(key, values[name]),
  );
  return Object.fromEntries(there.map(({ name }) => [name, values[name]]));
}
