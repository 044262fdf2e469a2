/** From a path to a checked configuration, or to everything that is wrong with it. */
import { posix } from "node:path";
import { err, ok, type Result } from "../util/result.ts";
import { type Availability, notAvailable } from "./availability.ts";
import type { Config } from "./config.ts";
import type { Problem } from "./problem.ts";
import { type ConfigReader, readConfig } from "./read.ts";
import { verifyConfig } from "./verify.ts";

/** What loading depends on: passed in, so that tests need neither disk nor root. */
export interface ConfigWorld {
  reader: ConfigReader;
  /** As whom the daemon runs. */
  uid: number;
  /** Where a relative path begins. */
  workingDirectory: string;
  /** What this version cannot do yet; the real list if absent. */
  availability?: Availability;
}

/**
 * Where the daemon of a configuration answers, whatever else has become wrong with it since it was started.
 * @returns the path, `null` for the usual one, or why nothing can be known
 */
export function controlSocketOf(path: string, world: ConfigWorld): Result<string | null, Problem[]> {
  const { daemon, problems } = readConfig(
    posix.resolve(world.workingDirectory, path),
    world.reader,
    world.uid,
  );
  if (daemon === null) return problems.length > 0 ? err(problems) : ok(null);
  const { control_socket: socket } = daemon.values;
  return ok(typeof socket === "string" ? socket : null);
}

/** Problems are in the order of the text, and are all that can be found in one run. */
export function loadConfig(path: string, world: ConfigWorld): Result<Config, Problem[]> {
  const main = posix.resolve(world.workingDirectory, path);
  const source = readConfig(main, world.reader, world.uid);
  return verifyConfig(main, source, {
    uid: world.uid,
    availability: world.availability ?? notAvailable,
    write: (key, value) => `${key} = "${value}"`,
  });
}
