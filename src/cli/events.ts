/** `tinetd events`: the last events, and with `--follow` each as it happens. */
import { setTimeout as delay } from "node:timers/promises";
import { followEvents } from "../control/client.ts";
import type { LoggedEvent } from "../control/messages.ts";
import { type Command, exitCode } from "./command.ts";
import { callFailure, connectionOptions, findControlSocket } from "./connection.ts";
import { eventLine } from "./event-line.ts";
import { jsonLine } from "./json.ts";
import { screenOf } from "./screen.ts";

/** Between two tries to reach a daemon that has hung up, and how many there are. */
const pauseMs = 100;
const mostFailures = 50;

export const events: Command = {
  name: "events",
  summary: "print the last events, and with --follow every further one",
  details:
    "All events are there, whatever the log leaves out; of each service the last ten are kept. With --json each is one\n" +
    "line, as in the log.",
  options: [
    ...connectionOptions,
    { flags: "-f, --follow", description: "go on until the daemon ends; an upgrade is none" },
    { flags: "--json", description: "one JSON object per line" },
  ],
  async run(context, _positional, options) {
    const socket = findControlSocket(context, options);
    const screen = screenOf(context);
    const isNew = novelty();
    const print = (event: LoggedEvent | { missed: number }) => {
      if ("missed" in event) {
        context.stderr.write(`tinetd: ${event.missed} events are missing here: they came too fast\n`);
      } else if (isNew(event)) {
        context.stdout.write(options.json === true ? jsonLine(event) : `${eventLine(event, screen)}\n`);
      }
    };
    const follow = options.follow === true;
    const followed = await followEvents(socket, { follow }, print);
    if (!followed.ok) throw callFailure(context, socket, followed.error);
    if (follow) await goOn(socket, print);
    return exitCode.done;
  },
};

/** The daemon has ended, or has executed itself anew (an upgrade): then it answers again. */
async function goOn(socket: string, print: Parameters<typeof followEvents>[2]): Promise<void> {
  for (let failures = 0; failures < mostFailures; ) {
    const followed = await followEvents(socket, { follow: true }, print);
    if (followed.ok) failures = 0;
    else if (followed.error.kind === "not running") return;
    else {
      // Hung up on by the exec itself.
      failures += 1;
      await delay(pauseMs);
    }
  }
}

/** Each daemon begins with the last events, of which some have been printed before: whether this one has not. */
export function novelty(): (event: LoggedEvent) => boolean {
  let time = "";
  /** Those of the latest moment. */
  let printed = new Set<string>();
  return (event) => {
    if (event.time < time) return false;
    if (event.time > time) printed = new Set();
    time = event.time;
    const text = JSON.stringify(event);
    if (printed.has(text)) return false;
    printed.add(text);
    return true;
  };
}
