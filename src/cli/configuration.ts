/** How commands find and read the configuration, and how they report what is wrong with it. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Config, Problem } from "../config/config.ts";
import { diskReader } from "../config/disk.ts";
import { type ConfigWorld, controlSocketOf, loadConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import type { Result } from "../util/result.ts";
import { type CliContext, type CliOption, CommandFailure, exitCode, type OptionValues } from "./command.ts";

export const configOption: CliOption = {
  flags: "-c, --config <file>",
  description: "configuration (default: $TINETD_CONFIG, /etc/tinetd/inetd.toml, not as root ./inetd.toml)",
};

const systemConfig = "/etc/tinetd/inetd.toml";

/** The file that was named, else the first of the usual places that exists, else `null`. */
export function configPath(context: CliContext, options: OptionValues): string | null {
  const named = namedConfig(context, options);
  if (named !== null) return resolve(context.workingDirectory, named);
  const places = [systemConfig];
  // Root must not run what happens to lie in the folder where it stands.
  if (ownUid() !== 0) places.push(resolve(context.workingDirectory, "inetd.toml"));
  return places.find((path) => existsSync(path)) ?? null;
}

function namedConfig({ environment }: CliContext, { config }: OptionValues): string | null {
  return typeof config === "string" ? config : environment.TINETD_CONFIG || null;
}

export function load(context: CliContext, path: string): Result<Config, Problem[]> {
  return loadConfig(path, worldOf(context));
}

/**
 * The control socket that the configuration names, `null` if it names none.
 * @throws CommandFailure if that cannot be told of a file that was asked for by name: another daemon is not to be taken
 * for its own
 */
export function declaredControlSocket(context: CliContext, options: OptionValues): string | null {
  const path = configPath(context, options);
  if (path === null) return null;
  const socket = controlSocketOf(path, worldOf(context));
  if (socket.ok) return socket.value;
  // Somebody who may not read the configuration can still ask the daemon that runs at the usual place.
  if (namedConfig(context, options) === null) return null;
  throw configurationFailure(
    context,
    socket.error,
    ", which leaves open where its daemon is: name --control-socket",
  );
}

function worldOf({ workingDirectory }: CliContext): ConfigWorld {
  return { reader: diskReader, uid: ownUid(), workingDirectory };
}

/** The configuration, or `null` where it cannot be read or is wrong: for commands that can do without. */
export function tryLoad(context: CliContext, path: string): Config | null {
  const loaded = load(context, path);
  return loaded.ok ? loaded.value : null;
}

/** The configuration; what is wrong with it is printed, line by line, and ends the command with 78. */
export function loadOrFail(context: CliContext, options: OptionValues): Config {
  const path = configPath(context, options);
  if (path === null) {
    throw new CommandFailure(
      `no configuration: neither --config nor $TINETD_CONFIG is given, and there is no ${systemConfig}`,
      exitCode.configuration,
    );
  }
  const loaded = load(context, path);
  if (loaded.ok) return loaded.value;
  throw configurationFailure(context, loaded.error);
}

/** Prints the problems; the failure to throw then sums them up, with what comes of it. */
export function configurationFailure(
  context: CliContext,
  problems: readonly Problem[],
  consequence = "",
): CommandFailure {
  for (const problem of problems) context.stderr.write(`${formatProblem(problem)}\n`);
  const count = problems.length === 1 ? "1 error" : `${problems.length} errors`;
  return new CommandFailure(`${count} in the configuration${consequence}`, exitCode.configuration);
}

export function ownUid(): number {
  return process.geteuid?.() ?? 0;
}
