/** How a command finds the daemon that it talks to, and what it says when that does not work. */
import { type CallFailure, call } from "../control/client.ts";
import type { Input, Output, Problem, Schema } from "../control/messages.ts";
import { defaultControlSocket } from "../control/path.ts";
import type { Route } from "../control/routes.ts";
import { type CliContext, type CliOption, CommandFailure, exitCode, type OptionValues } from "./command.ts";
import { configOption, configurationFailure, declaredControlSocket, ownUid } from "./configuration.ts";

export const connectionOptions: readonly CliOption[] = [
  configOption,
  {
    flags: "--control-socket <path>",
    description: "where the daemon listens, whatever the configuration says",
  },
];

export const jsonOption: CliOption = {
  flags: "--json",
  description: "print what the control socket answers",
};

/** The daemon that a command was told to talk to. */
export interface Connection {
  socket: string;
  /** @throws CommandFailure for whatever goes wrong */
  ask<I extends Schema, A extends Schema>(
    route: Route<I, A>,
    input: Input<I> & Record<string, unknown>,
    signal?: AbortSignal,
  ): Promise<Output<A>>;
}

export function connectionOf(context: CliContext, options: OptionValues): Connection {
  const socket = findControlSocket(context, options);
  return {
    socket,
    async ask(route, input, signal) {
      const answer = await call(socket, route, input, signal);
      if (answer.ok) return answer.value;
      throw callFailure(context, socket, answer.error);
    },
  };
}

/** Prints the problems of a configuration, if that is what it is about. */
export function callFailure(context: CliContext, socket: string, failure: CallFailure): CommandFailure {
  switch (failure.kind) {
    case "not running":
      return new CommandFailure(`no daemon answers on ${socket}`, exitCode.notRunning);
    case "forbidden":
      return new CommandFailure(`not permitted: ${failure.message}`);
    case "failed":
      return failure.problems.length > 0
        ? configurationFailure(context, failure.problems.map(located))
        : new CommandFailure(failure.message);
  }
}

function located({ file, line, column, message, hint }: Problem) {
  return { position: { file, line, column }, message, hint, service: null, key: null };
}

/** The socket that was named, else that of the configuration, else the default one. */
export function findControlSocket(context: CliContext, options: OptionValues): string {
  if (typeof options.controlSocket === "string") return options.controlSocket;
  return declaredControlSocket(context, options) ?? defaultControlSocket(context.environment, ownUid());
}
