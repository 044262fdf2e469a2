/** `tinetd events`: the last events, and with `--follow` each as it happens. */
import { followEvents } from "../control/client.ts";
import { type Command, exitCode } from "./command.ts";
import { callFailure, connectionOptions, findControlSocket } from "./connection.ts";
import { eventLine } from "./event-line.ts";
import { jsonLine } from "./json.ts";
import { screenOf } from "./screen.ts";

export const events: Command = {
  name: "events",
  summary: "print the last events, and with --follow every further one",
  details:
    "All events are there, whatever the log leaves out; of each service the last ten are kept. With --json each is one\n" +
    "line, as in the log.",
  options: [
    ...connectionOptions,
    { flags: "-f, --follow", description: "go on until the daemon ends" },
    { flags: "--json", description: "one JSON object per line" },
  ],
  async run(context, _positional, options) {
    const socket = findControlSocket(context, options);
    const screen = screenOf(context);
    const followed = await followEvents(socket, { follow: options.follow === true }, (event) => {
      if ("missed" in event) {
        context.stderr.write(`tinetd: ${event.missed} events are missing here: they came too fast\n`);
      } else {
        context.stdout.write(options.json === true ? jsonLine(event) : `${eventLine(event, screen)}\n`);
      }
    });
    if (!followed.ok) throw callFailure(context, socket, followed.error);
    return exitCode.done;
  },
};
