/** How a command finds the daemon that it talks to. */
import { defaultControlSocket } from "../control/path.ts";
import type { CliContext, CliOption, OptionValues } from "./command.ts";
import { configOption, configPath, tryLoad } from "./configuration.ts";

export const connectionOptions: readonly CliOption[] = [
  configOption,
  {
    flags: "--control-socket <path>",
    description: "where the daemon listens, whatever the configuration says",
  },
];

/** The socket that was named, else that of the configuration, else the default one. */
export function findControlSocket(context: CliContext, options: OptionValues): string {
  if (typeof options.controlSocket === "string") return options.controlSocket;
  const path = configPath(context, options);
  // Somebody who may not read the configuration can still ask the daemon that runs at the usual place.
  const declared = path === null ? null : tryLoad(context, path)?.daemon.controlSocket;
  return declared ?? defaultControlSocket(context.environment, process.getuid?.() ?? 0);
}
