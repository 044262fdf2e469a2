/** `tinetd upgrade`: the daemon goes on as the version that is installed now. */
import { routes } from "../control/routes.ts";
import { type Command, exitCode } from "./command.ts";
import { connectionOf, connectionOptions, jsonOption } from "./connection.ts";
import { writeJson } from "./json.ts";

export const upgrade: Command = {
  name: "upgrade",
  summary: "let the installed version take over, with all connections",
  details:
    "The daemon executes itself anew and keeps its sockets and handlers. Returns when the new code serves.\n" +
    "Not available yet: the daemon of this version refuses it, and goes on as it is.",
  options: [...connectionOptions, jsonOption],
  async run(context, _positional, options) {
    const upgraded = await connectionOf(context, options).ask(routes.upgrade, {});
    if (options.json === true) writeJson(context, upgraded);
    else context.stdout.write(`tinetd ${upgraded.version} runs now\n`);
    return exitCode.done;
  },
};
