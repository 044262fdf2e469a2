/** Values of the schema back into what a file would say: for `show`, and for the control socket. */
import { z } from "zod";
import { formatEndpoint } from "../net/address.ts";
import { rememberLast } from "../util/last.ts";
import type { Config, DaemonConfig, ListenerConfig, ServiceConfig } from "./config.ts";
import { optionMisfit } from "./listeners.ts";
import { isTable } from "./located.ts";
import { keyMisfit } from "./misfit.ts";
import { daemonTable, listenerTable, serviceTable } from "./schema/index.ts";
import { type Key, type KeyTable, rowsOf, type Toml } from "./schema/key.ts";
import { defaultsOf } from "./table.ts";

export type TomlTable = { [key: string]: Toml };

/** The whole configuration, includes resolved and defaults in place; read again, it is the same configuration. */
export function encodeConfig(config: Config): TomlTable {
  const services = [...config.services.values()].map((service) => [service.name, encodeService(service)]);
  return {
    daemon: encodeDaemon(config.daemon),
    services: Object.fromEntries(services) as TomlTable,
  };
}

export function encodeDaemon(daemon: DaemonConfig): TomlTable {
  return encodeTable(daemonTable, daemon, () => true);
}

const { listen: _listen, socket: _socket, handoff: _handoff, command: _command, ...rest } = serviceTable;

/** Every key that has a meaning for the service. */
export function encodeService(service: ServiceConfig): TomlTable {
  const kinds = new Set(service.listeners.map(({ endpoint }) => endpoint.kind));
  const isBuiltin = service.handoff === "builtin";
  return {
    listen: service.listeners.map((listener) => encodeListener(listener, service.name)),
    ...(isBuiltin ? {} : { handoff: service.handoff, command: service.command }),
    ...encodeTable(rest, service, (path, value) => keyMisfit(path, value, service.handoff, kinds) === null),
  };
}

const listenerDefaults = defaultsOf(listenerTable);

/** Of the options only those that were set to something: there are too many to show all. */
function encodeListener({ endpoint, options }: ListenerConfig, service: string): Toml {
  const address = formatEndpoint(endpoint);
  const set = encodeTable(listenerTable, options, (path, value) => {
    const name = rowsOf(listenerTable).get(path)?.name ?? path;
    const isDefault =
      path === "name" ? value === service : JSON.stringify(value) === JSON.stringify(listenerDefaults[name]);
    return !isDefault && optionMisfit(path, endpoint) === null;
  });
  return Object.keys(set).length === 0 ? address : { address, ...set };
}

/** Most services say of most keys what the one before said, which is a default that they share. */
const encodeValue = rememberLast((row: Key<unknown>, value: unknown) => z.encode(row.type, value) as Toml);

/** @param keep tells by the path of a key whether it is written */
function encodeTable(
  rows: KeyTable,
  values: object,
  keep: (path: string, value: unknown) => boolean,
  prefix = "",
): TomlTable {
  const written: TomlTable = {};
  for (const { key, name, row } of rowsOf(rows).values()) {
    const value: unknown = (values as Record<string, unknown>)[name];
    // A key without default that is null was never set, and has no way of saying so.
    if (value === undefined || (value === null && row.default === undefined) || !keep(prefix + key, value))
      continue;
    if (row.fields === null) {
      written[key] = encodeValue(row, value);
    } else if (isTable(value)) {
      const inside = encodeTable(row.fields, value, keep, `${prefix}${key}.`);
      if (Object.keys(inside).length > 0) written[key] = inside;
    }
  }
  return written;
}
