/** `tinetd run`: the daemon in the foreground, as systemd and other supervisors want it; `--daemon` for the others. */

import { defaultControlSocket } from "../control/path.ts";
import { type Command, CommandFailure, exitCode } from "./command.ts";
import { configOption, load, loadOrFail, ownUid } from "./configuration.ts";
import { runDetached } from "./detach.ts";
import { daemonOptions, runForeground } from "./foreground.ts";
import { takeover } from "./takeover.ts";

export const run: Command = {
  name: "run",
  summary: "run the daemon in the foreground",
  options: [
    configOption,
    ...daemonOptions,
    {
      flags: "--daemon",
      description: "detach, and return when ready; stderr is kept unless it is a terminal",
    },
    {
      flags: "--pid-file <file>",
      description: "write the pid there, and refuse to run twice with the same file",
    },
  ],
  async run(context, _positional, options) {
    const taken = takeover(context);
    const config = taken?.config ?? loadOrFail(context, options);
    const socket = config.daemon.controlSocket ?? defaultControlSocket(context.environment, ownUid());
    if (options.daemon !== true) {
      const loadConfig = () => load(context, config.path);
      return runForeground(context, options, { config, controlSocket: socket, loadConfig, taken });
    }
    if (options.readyFd !== undefined) {
      throw new CommandFailure("--daemon returns when ready: it does not go with --ready-fd", exitCode.usage);
    }
    return runDetached(context);
  },
};
