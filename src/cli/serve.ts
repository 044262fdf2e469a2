/** `tinetd serve LISTEN... [options] -- COMMAND`: one service with no file. */
import { resolve } from "node:path";
import { serviceFromOptions, serviceOptions } from "../config/options.ts";
import { type CliContext, type Command, CommandFailure, exitCode, type OptionValues } from "./command.ts";
import { configurationFailure, ownUid } from "./configuration.ts";
import { daemonOptions, runForeground } from "./foreground.ts";
import { takeover } from "./takeover.ts";

export const serve: Command = {
  name: "serve",
  summary: "run one service without a file: tinetd serve 7000 -- cat",
  arguments: [
    { name: "[listen...]", description: "addresses, as `listen` takes them, then -- and the command" },
  ],
  options: [
    ...daemonOptions,
    { flags: "--control-socket <path>", description: "answer `tinetd status` there (default: nowhere)" },
    ...serviceOptions.map(({ flag, description }) => ({ flags: `${flag} <value>`, description })),
  ],
  async run(context, positional, options) {
    const command = commandOf(context);
    const listen = positional.slice(0, positional.length - command.length);
    if (listen.length === 0)
      throw new CommandFailure("serve: expected an address, such as 7000", exitCode.usage);
    const config = serviceFromOptions({ listen, values: valuesOf(options), command }, { uid: ownUid() });
    if (!config.ok) throw configurationFailure(context, config.error);
    const format = options.logFormat ?? (context.stderrIsTerminal ? "pretty" : "json");
    const controlSocket = typeof options.controlSocket === "string" ? options.controlSocket : null;
    // What it was told stands on its command line, which does not change.
    return runForeground(
      context,
      { ...options, logFormat: format },
      { config: config.value, controlSocket, loadConfig: () => config, taken: takeover(context) },
    );
  },
};

/** What stands behind the first `--`; a built-in has no command. */
function commandOf({ program, workingDirectory }: CliContext): readonly string[] {
  const end = program.argv.indexOf("--");
  const [file = "", ...args] = end < 0 ? [] : program.argv.slice(end + 1);
  if (file === "") return [];
  // As in a shell, from the folder where the command was typed.
  return [/^\.{1,2}\//.test(file) ? resolve(workingDirectory, file) : file, ...args];
}

function valuesOf(options: OptionValues): Record<string, string> {
  const values: Record<string, string> = {};
  for (const { key, flag } of serviceOptions) {
    const value = options[attributeOf(flag)];
    if (typeof value === "string") values[key] = value;
  }
  return values;
}

/** As commander names the value of an option; it takes `--no-new-privileges` for the opposite of another. */
function attributeOf(flag: string): string {
  return flag.replace(/^--(no-)?/, "").replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
