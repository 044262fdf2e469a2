/** `tinetd top`: handlers and connections, live. */
import { setTimeout as sleep } from "node:timers/promises";
import { routes } from "../control/routes.ts";
import { parseDuration } from "../util/duration.ts";
import { type Command, CommandFailure, exitCode, type OptionValues } from "./command.ts";
import { type Connection, connectionOf, connectionOptions } from "./connection.ts";
import { takeScreen } from "./full-screen.ts";
import { screenOf } from "./screen.ts";
import { type Sample, topFrame } from "./top-frame.ts";

export const top: Command = {
  name: "top",
  summary: "show handlers and connections, live",
  details:
    "The busiest handlers come first, and the connections with the latest traffic. q and Ctrl-C leave.",
  options: [
    ...connectionOptions,
    { flags: "--interval <duration>", description: "how often to look", defaultValue: "1s" },
  ],
  async run(context, _positional, options) {
    const intervalMs = intervalOf(options);
    if (context.stdin.isTTY !== true || context.stdout.isTTY !== true) {
      throw new CommandFailure("top needs a terminal; `tinetd ps` prints the same once");
    }
    const daemon = connectionOf(context, options);
    // Before the terminal is taken, so that a failure is a line where the command was typed.
    let now = await look(daemon);
    let before: Sample | null = null;
    const { colour } = screenOf(context);
    const draw = () =>
      screen.draw(topFrame({ now, before }, { width: screen.columns(), colour }, screen.rows()));
    const screen = takeScreen(context, () => draw());
    try {
      const left = new Promise<null>((resolve) => screen.left.addEventListener("abort", () => resolve(null)));
      while (!screen.left.aborted) {
        draw();
        await sleep(intervalMs, undefined, { signal: screen.left }).catch(() => {});
        if (screen.left.aborted) break;
        // A daemon that does not answer keeps nobody here.
        const next = await Promise.race([look(daemon, screen.left), left]);
        if (next === null) break;
        [before, now] = [now, next];
      }
    } finally {
      screen.release();
    }
    return exitCode.done;
  },
};

async function look(daemon: Connection, signal?: AbortSignal): Promise<Sample> {
  const [status, handlers, connections] = await Promise.all([
    daemon.ask(routes.status, {}, signal),
    daemon.ask(routes.handlers, {}, signal),
    daemon.ask(routes.connections, {}, signal),
  ]);
  return { at: Date.now(), status, handlers, connections };
}

function intervalOf({ interval }: OptionValues): number {
  const milliseconds = parseDuration(String(interval));
  if (milliseconds !== null && milliseconds >= 100) return milliseconds;
  throw new CommandFailure(
    `--interval: expected a duration of at least 100ms, such as 2s, not "${interval}"`,
    exitCode.usage,
  );
}
