/** `tinetd ps`: handlers and connections, one by one. */
import { routes } from "../control/routes.ts";
import { type Command, exitCode } from "./command.ts";
import { connectionOf, connectionOptions, jsonOption } from "./connection.ts";
import { writeJson } from "./json.ts";
import { connectionColumns, handlerColumns } from "./listings.ts";
import { screenOf } from "./screen.ts";
import { formatTable } from "./table.ts";

export const ps: Command = {
  name: "ps",
  summary: "list handlers and connections",
  details:
    "A - stands for what nobody can tell: bytes and idleness are known of TCP connections, and a connection has no number\n" +
    "where the handler accepts by itself. CPU and MEM are of the handler and what it has started.",
  options: [...connectionOptions, jsonOption],
  async run(context, _positional, options) {
    const daemon = connectionOf(context, options);
    const [handlers, connections] = await Promise.all([
      daemon.ask(routes.handlers, {}),
      daemon.ask(routes.connections, {}),
    ]);
    if (options.json === true) {
      writeJson(context, { handlers, connections });
      return exitCode.done;
    }
    const screen = screenOf(context);
    const now = Date.now();
    context.stdout.write(formatTable(handlerColumns(now), handlers, screen));
    context.stdout.write(`\n${formatTable(connectionColumns(now), connections, screen)}`);
    return exitCode.done;
  },
};
