/** `tinetd upgrade`: the daemon goes on as the version that is installed now. */
import { routes } from "../control/routes.ts";
import { type Command, exitCode } from "./command.ts";
import { connectionOf, connectionOptions, jsonOption } from "./connection.ts";
import { writeJson } from "./json.ts";

export const upgrade: Command = {
  name: "upgrade",
  summary: "let the installed version take over, with all connections",
  details:
    "The daemon executes itself anew, with the same pid, its sockets, handlers and connections.\n" +
    "The new code is tried first. If it cannot take over, the daemon goes on as it is, and this fails.\n" +
    "The configuration in force stays in force, whatever the file says by now: reload for that.",
  options: [...connectionOptions, jsonOption],
  async run(context, _positional, options) {
    const upgraded = await connectionOf(context, options).ask(routes.upgrade, {});
    if (options.json === true) writeJson(context, upgraded);
    else {
      const { version, previous, gap_ms } = upgraded;
      context.stdout.write(
        `tinetd ${version} runs in place of ${previous}; clients waited for ${gap_ms} ms\n`,
      );
    }
    return exitCode.done;
  },
};
