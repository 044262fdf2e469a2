/** `start`, `stop`, `restart`, `pause`, `resume`: what an operator tells services to do. */
import { routes } from "../control/routes.ts";
import { parseDuration } from "../util/duration.ts";
import { nearest } from "../util/nearest.ts";
import {
  type CliArgument,
  type CliOption,
  type Command,
  CommandFailure,
  exitCode,
  type OptionValues,
} from "./command.ts";
import { type Connection, connectionOf, connectionOptions } from "./connection.ts";

const services: CliArgument = { name: "<service...>", description: "their names", completes: "service" };
const drainOption: CliOption = {
  flags: "--drain",
  description: "let open connections finish, and wait for that",
};
const waitOption: CliOption = {
  flags: "--max-wait <duration>",
  description: 'resume by itself after so long ("60s"), should nobody come back',
};

export const start = operation(
  { name: "start", summary: "listen, after a stop or a failure" },
  (daemon, service) => daemon.ask(routes.start, { service }),
);

export const stop = operation(
  { name: "stop", summary: "stop listening, and stop the handlers", options: [drainOption] },
  (daemon, service, { drain }) => daemon.ask(routes.stop, { service, drain: drain === true }),
);

export const restart = operation(
  { name: "restart", summary: "stop, and start again", options: [drainOption] },
  (daemon, service, { drain }) => daemon.ask(routes.restart, { service, drain: drain === true }),
);

export const pause = operation(
  {
    name: "pause",
    summary: "accept nobody for a while",
    details: "The sockets stay, and who knocks waits there: for the upgrade of a package, or of a database.",
    options: [waitOption],
  },
  (daemon, service, options) => daemon.ask(routes.pause, { service, ...patienceOf(options) }),
);

export const resume = operation({ name: "resume", summary: "go on after a pause" }, (daemon, service) =>
  daemon.ask(routes.resume, { service }),
);

/** A service that drains keeps its request open, and the daemon does not take any number of callers at once. */
const mostAtOnce = 32;

function operation(
  head: { name: string; summary: string; details?: string; options?: readonly CliOption[] },
  act: (daemon: Connection, service: string, options: OptionValues) => Promise<unknown>,
): Command {
  return {
    ...head,
    arguments: [services],
    options: [...connectionOptions, ...(head.options ?? [])],
    async run(context, names, options) {
      const daemon = connectionOf(context, options);
      // Before the first of them is touched.
      patienceOf(options);
      await checkNames(daemon, names);
      const waiting = [...new Set(names)];
      let code: number = exitCode.done;
      const work = async () => {
        for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
          try {
            await act(daemon, name, options);
          } catch (error) {
            if (!(error instanceof CommandFailure)) throw error;
            // What one of them cannot do does not keep the others from it.
            context.stderr.write(`tinetd: ${error.message}\n`);
            code = error.code;
          }
        }
      };
      await Promise.all(Array.from({ length: mostAtOnce }, work));
      return code;
    },
  };
}

/** All of them: a slip in the last name must not leave the first ones stopped. */
async function checkNames(daemon: Connection, names: readonly string[]): Promise<void> {
  const known = new Set((await daemon.ask(routes.status, {})).services.map(({ name }) => name));
  const unknown = names.filter((name) => !known.has(name));
  const [first] = unknown;
  if (first === undefined) return;
  const near = nearest(first, known);
  throw new CommandFailure(
    `there is no service "${first}"${near === null ? "" : `; did you mean "${near}"?`}`,
  );
}

function patienceOf({ maxWait }: OptionValues): { max_wait_ms?: number } {
  if (typeof maxWait !== "string") return {};
  const milliseconds = parseDuration(maxWait);
  if (milliseconds === null || milliseconds === 0) {
    throw new CommandFailure(`--max-wait: expected a duration such as 60s, not "${maxWait}"`, exitCode.usage);
  }
  return { max_wait_ms: milliseconds };
}
