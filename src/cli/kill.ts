/** `tinetd kill PID|CONNECTION`: ends one handler or one connection of ours, and never anything else. */
import { routes } from "../control/routes.ts";
import { type Command, CommandFailure, exitCode } from "./command.ts";
import { type Connection, connectionOf, connectionOptions } from "./connection.ts";

export const kill: Command = {
  name: "kill",
  summary: "end one handler or one connection",
  details:
    "A handler gets its stop signal, and SIGKILL after stop_timeout. The number of another process is refused. Should a\n" +
    "number be the one of a handler and of a connection alike, --handler or --connection must say which is meant.",
  arguments: [
    {
      name: "<number>",
      description: "pid of a handler, or number of a connection (see ps)",
      completes: "handler",
    },
  ],
  options: [
    ...connectionOptions,
    { flags: "--handler", description: "the number is a pid" },
    { flags: "--connection", description: "the number is that of a connection" },
  ],
  async run(context, [text = ""], options) {
    const number = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number === 0) {
      throw new CommandFailure(
        `kill: expected the pid of a handler or the number of a connection, not "${text}"`,
        exitCode.usage,
      );
    }
    if (options.handler === true && options.connection === true) {
      throw new CommandFailure("--handler does not go with --connection", exitCode.usage);
    }
    const daemon = connectionOf(context, options);
    const kind =
      options.handler === true
        ? "handler"
        : options.connection === true
          ? "connection"
          : await kindOf(daemon, number);
    if (kind === "handler") await daemon.ask(routes.killHandler, { pid: number });
    else await daemon.ask(routes.killConnection, { connection: number });
    return exitCode.done;
  },
};

/** Pids and connections are counted apart, so that a number alone may be either. */
export async function kindOf(daemon: Connection, number: number): Promise<"handler" | "connection"> {
  const [handlers, connections] = await Promise.all([
    daemon.ask(routes.handlers, {}),
    daemon.ask(routes.connections, {}),
  ]);
  const handler = handlers.find(({ pid }) => pid === number);
  const connection = connections.find(({ id }) => id === number);
  if (handler !== undefined && connection !== undefined) {
    throw new CommandFailure(
      `${number} is a handler of "${handler.service}" and a connection of "${connection.service}": say --handler or --connection`,
    );
  }
  if (handler !== undefined) return "handler";
  if (connection !== undefined) return "connection";
  throw new CommandFailure(`${number} is no handler and no connection of this daemon`);
}
