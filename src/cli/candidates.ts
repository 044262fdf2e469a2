/** `tinetd __candidates KIND`: what a completion script asks for while somebody types. Says nothing but words. */
import { call } from "../control/client.ts";
import { routes } from "../control/routes.ts";
import { type CliContext, type Command, exitCode, type OptionValues } from "./command.ts";
import { configPath, tryLoad } from "./configuration.ts";
import { connectionOptions, findControlSocket } from "./connection.ts";

export const candidates: Command = {
  name: "__candidates",
  summary: "print the words that a shell may complete",
  hidden: true,
  arguments: [{ name: "<kind>", description: "of what", choices: ["service", "handler"] }],
  options: connectionOptions,
  async run(context, [kind], options) {
    const words = kind === "service" ? await serviceNames(context, options) : await numbers(context, options);
    context.stdout.write(words.map((word) => `${word}\n`).join(""));
    return exitCode.done;
  },
};

async function serviceNames(context: CliContext, options: OptionValues): Promise<string[]> {
  const answer = await call(findControlSocket(context, options), routes.status, {});
  if (answer.ok) return answer.value.services.map(({ name }) => name);
  const path = configPath(context, options);
  return [...((path === null ? null : tryLoad(context, path))?.services.keys() ?? [])];
}

async function numbers(context: CliContext, options: OptionValues): Promise<string[]> {
  const socket = findControlSocket(context, options);
  const [handlers, connections] = await Promise.all([
    call(socket, routes.handlers, {}),
    call(socket, routes.connections, {}),
  ]);
  return [
    ...(handlers.ok ? handlers.value.map(({ pid }) => `${pid}`) : []),
    ...(connections.ok ? connections.value.flatMap(({ id }) => (id === null ? [] : [`${id}`])) : []),
  ];
}
