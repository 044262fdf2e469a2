/** `tinetd status`: what runs, for people and with `--json` for programs. */
import type { ServiceStatus, Status } from "../control/messages.ts";
import { routes } from "../control/routes.ts";
import { cleanText } from "../log/clean.ts";
import { type Command, exitCode } from "./command.ts";
import { connectionOf, connectionOptions, jsonOption } from "./connection.ts";
import { writeJson } from "./json.ts";
import { type Colour, paint, type Screen, screenOf } from "./screen.ts";
import { formatDetail } from "./service-detail.ts";
import { type Column, cutAddress, formatTable, terseAddress } from "./table.ts";
import { countText, plural } from "./text.ts";

export const status: Command = {
  name: "status",
  summary: "show what the daemon and its services do",
  details: "Exits with 3 if no daemon runs.",
  arguments: [
    { name: "[service...]", description: "only these, with all that is known of them", completes: "service" },
  ],
  options: [...connectionOptions, jsonOption],
  async run(context, names, options) {
    const daemon = connectionOf(context, options);
    const all = await daemon.ask(routes.status, {});
    const details = await Promise.all(names.map((service) => daemon.ask(routes.service, { service })));
    const services = names.length === 0 ? all.services : details.map(({ service }) => service);
    if (options.json === true) {
      writeJson(context, { ...all, services });
      return exitCode.done;
    }
    const screen = screenOf(context);
    const now = Date.now();
    const parts =
      names.length === 0
        ? [head(all), formatTable(columns, services, screen), failures(services, screen)]
        : details.map((detail) => formatDetail(detail, now, screen));
    context.stdout.write(parts.filter((part) => part !== "").join("\n"));
    return exitCode.done;
  },
};

function head({ daemon: { pid, version, config, connections } }: Status): string {
  return `tinetd ${version}, pid ${pid}, ${config}, ${plural(connections, "connection")}\n`;
}

const columns: readonly Column<ServiceStatus>[] = [
  { title: "SERVICE", value: ({ name }) => name, least: 10 },
  { title: "STATE", value: ({ state }) => state, colour: ({ state }) => serviceColours[state] },
  {
    title: "LISTENERS",
    value: ({ listeners }) => listeners.map(({ address }) => address).join(" ") || "-",
    terse: ({ listeners }) => listeners.map(({ address }) => terseAddress(address)).join(" ") || "-",
    least: 18,
    shorten: shortenListeners,
  },
  { title: "RUN", value: ({ handlers }) => String(handlers.length), align: "right" },
  { title: "CONN", value: ({ connections }) => countText(connections), align: "right" },
  { title: "ACCEPTED", value: ({ accepted }) => countText(accepted), align: "right" },
  { title: "REFUSED", value: ({ refused }) => String(total(refused)), align: "right" },
  { title: "EXIT", value: ({ last_exit }) => exitText(last_exit) },
];

const serviceColours: Readonly<Record<ServiceStatus["state"], Colour | null>> = {
  stopped: "dim",
  listening: null,
  active: "green",
  paused: "yellow",
  limited: "yellow",
  failed: "red",
};

/** Whole addresses as long as there is room, and how many more there are. */
function shortenListeners(text: string, room: number): string {
  const addresses = text.split(" ");
  for (let count = addresses.length; count > 0; count--) {
    const rest = addresses.length - count;
    const short = `${addresses.slice(0, count).join(" ")}${rest === 0 ? "" : ` +${rest}`}`;
    if (short.length <= room) return short;
  }
  const [first = ""] = addresses;
  const more = addresses.length > 1 ? ` +${addresses.length - 1}` : "";
  return `${cutAddress(first, room - more.length)}${more}`;
}

function total(refused: ServiceStatus["refused"]): number {
  return Object.values(refused).reduce((sum, number) => sum + number, 0);
}

function exitText(exit: ServiceStatus["last_exit"]): string {
  return exit === null ? "-" : (exit.signal ?? String(exit.code));
}

/** What is wrong stands below the table, whole: it is what one has come to read. */
function failures(services: readonly ServiceStatus[], screen: Screen): string {
  return services
    .flatMap(({ name, failure }) => (failure === null ? [] : [`${name}: ${failure}`]))
    .map((line) => `${paint(screen, "red", cleanText(line, 4096))}\n`)
    .join("");
}
