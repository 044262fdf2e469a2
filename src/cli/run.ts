/** `tinetd run`: the daemon in the foreground, as systemd and other supervisors want it. */
import type { Command } from "./command.ts";
import { configOption, loadOrFail } from "./configuration.ts";
import { daemonOptions, runForeground } from "./foreground.ts";

export const run: Command = {
  name: "run",
  summary: "run the daemon in the foreground",
  options: [configOption, ...daemonOptions],
  run: (context, _positional, options) => runForeground(context, loadOrFail(context, options), options),
};
