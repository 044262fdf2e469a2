/** `tinetd run`: the daemon in the foreground, as systemd and other supervisors want it; `--daemon` for the others. */

import { defaultControlSocket } from "../control/path.ts";
import { type Command, CommandFailure, exitCode } from "./command.ts";
import { configOption, load, loadOrFail, ownUid } from "./configuration.ts";
import { runDetached } from "./detach.ts";
import { daemonOptions, runForeground } from "./foreground.ts";

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
    const config = loadOrFail(context, options);
    const socket = config.daemon.controlSocket ?? defaultControlSocket(context.environment, ownUid());
    if (options.daemon !== true) {
      return runForeground(context, config, options, socket, () => load(context, config.path));
    }
    if (options.readyFd !== undefined) {
      throw new CommandFailure("--daemon returns when ready: it does not go with --ready-fd", exitCode.usage);
    }
    return runDetached(context);
  },
};
