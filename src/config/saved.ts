/**
 * A configuration as data for another process that goes on by it (an upgrade): whatever the files say by now, what is in
 * force stays in force. In the words of a file, so that a later version reads it with its own defaults and checks.
 */
import { err, ok, type Result } from "../util/result.ts";
import { notAvailable } from "./availability.ts";
import type { Config, ServiceConfig } from "./config.ts";
import { encodeConfig, encodeService, type TomlTable } from "./encode.ts";
import { type Located, locate } from "./located.ts";
import { type Problem, wholeFile } from "./problem.ts";
import type { ConfigSource } from "./read.ts";
import { verifyConfig } from "./verify.ts";

export interface SavedConfig {
  path: string;
  files: string[];
  daemon: TomlTable;
  services: SavedService[];
}

/** A list, since a table of JSON puts names that are numbers first. */
export type SavedService = [name: string, table: TomlTable];

export function saveConfig(config: Config): SavedConfig {
  const { daemon } = encodeConfig({ ...config, services: new Map() });
  return {
    path: config.path,
    files: config.files,
    daemon: daemon as TomlTable,
    services: [...config.services.values()].map(saveService),
  };
}

/** Asked for twice in an upgrade, the second time while clients wait: with a thousand services that would be 0.15 s. */
const encoded = new WeakMap<ServiceConfig, TomlTable>();

export function saveService(service: ServiceConfig): SavedService {
  const table = encoded.get(service) ?? encodeService(service);
  encoded.set(service, table);
  return [service.name, table];
}

/** @param uid as whom the daemon runs */
export function restoreConfig(saved: SavedConfig, uid: number): Result<Config, Problem[]> {
  const { path, files, daemon, services } = saved;
  const source: ConfigSource = {
    files,
    daemon: plain(path, daemon),
    defaults: null,
    services: services.map(([name, table]) => ({ name, table: plain(path, table) })),
    problems: [],
  };
  const write = (key: string, value: string) => `${key} = "${value}"`;
  return verifyConfig(path, source, { uid, availability: notAvailable, write });
}

/** One that is not in the configuration any more, or not as it is there. */
export function restoreService(
  service: SavedService,
  path: string,
  uid: number,
): Result<ServiceConfig, Problem[]> {
  const restored = restoreConfig({ path, files: [path], daemon: {}, services: [service] }, uid);
  if (!restored.ok) return restored;
  const [only] = restored.value.services.values();
  return only === undefined ? err([]) : ok(only);
}

/** What stands in it has no place of its own any more. */
function plain(path: string, values: TomlTable): Located {
  return locate(values, { key: 0, value: 0, children: new Map() }, () => wholeFile(path));
}
