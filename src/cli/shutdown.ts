/** `tinetd shutdown`: ends the daemon. */
import { routes } from "../control/routes.ts";
import { type Command, exitCode } from "./command.ts";
import { connectionOf, connectionOptions } from "./connection.ts";

export const shutdown: Command = {
  name: "shutdown",
  summary: "end the daemon and its handlers",
  details: "Returns when nothing is listened on and no handler runs any more.",
  options: [
    ...connectionOptions,
    { flags: "--drain", description: "let open connections finish, and wait for that" },
  ],
  async run(context, _positional, options) {
    await connectionOf(context, options).ask(routes.shutdown, { drain: options.drain === true });
    return exitCode.done;
  },
};
