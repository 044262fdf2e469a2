/** Checks a whole configuration: every error of the text in one run, or the configuration with all defaults in place. */

import { quote } from "../util/describe.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { Availability } from "./availability.ts";
import type { Config, DaemonConfig } from "./config.ts";
import { applyDefaults } from "./defaults.ts";
import { duplicateAddresses } from "./duplicates.ts";
import { isTable, type Located } from "./located.ts";
import { type Problem, sortProblems } from "./problem.ts";
import type { ConfigSource } from "./read.ts";
import { daemonTable, notInDefaults, serviceTable } from "./schema/index.ts";
import type { KeyTable } from "./schema/key.ts";
import { type ServiceDefaults, verifyService } from "./service.ts";
import { defaultsOf, mergeTables, readTable } from "./table.ts";
import { availabilityProblems } from "./unavailable.ts";

/** What the check depends on besides the text. */
export interface VerifyOptions {
  /** As whom the daemon runs. */
  uid: number;
  availability: Availability;
  /** How a key with its value is written, for hints: as in a file, or as an option. */
  write(key: string, value: string): string;
}

/** Pure. @param path the main file */
export function verifyConfig(
  path: string,
  source: ConfigSource,
  options: VerifyOptions,
): Result<Config, Problem[]> {
  const problems = [...source.problems];
  const daemon = readDaemon(source.daemon, problems, options);
  const defaults = readDefaults(source.defaults, problems, options);
  const services = source.services.map(({ name, table }) =>
    verifyService(name, table, defaults, options, problems),
  );
  problems.push(...duplicateAddresses(services));
  if (problems.length > 0) return err(sortProblems(problems, source.files));
  return ok({
    path,
    files: source.files,
    daemon,
    services: new Map(services.map((service) => [service.name, service])),
  });
}

function readDaemon(table: Located | null, problems: Problem[], options: VerifyOptions): DaemonConfig {
  const ours = defaultsOf(daemonTable);
  if (table === null) return ours as DaemonConfig;
  const values = readTable(daemonTable, table.values, {
    located: table,
    path: [],
    title: "[daemon]",
    service: null,
    problems,
  });
  problems.push(...availabilityProblems("daemon", values, table, null, options.availability));
  return mergeTables(daemonTable, ours, values) as DaemonConfig;
}

/** `[defaults]`: any key of a service but those that are about one alone. */
function readDefaults(table: Located | null, problems: Problem[], options: VerifyOptions): ServiceDefaults {
  if (table === null) return { values: {}, apply: applyDefaults({}), socket: {}, keyPositions: {} };
  const forbidden = notInDefaults.filter((key) => Object.hasOwn(table.values, key));
  for (const key of forbidden) {
    problems.push({
      position: table.at([key], "key"),
      message: `${quote(key)} cannot stand in [defaults]: it is about one service alone`,
      hint: null,
      service: null,
      key,
    });
  }
  const rows: KeyTable = serviceTable;
  const allowed = Object.fromEntries(
    Object.entries(table.values).filter(([key]) => !(forbidden as readonly string[]).includes(key)),
  );
  const values = readTable(rows, allowed, {
    located: table,
    path: [],
    title: "[defaults]",
    service: null,
    problems,
  });
  problems.push(...availabilityProblems("service", values, table, null, options.availability));
  const socket = isTable(values.socket) ? values.socket : {};
  return { values, apply: applyDefaults(values), socket, keyPositions: table.keyPositions() };
}
