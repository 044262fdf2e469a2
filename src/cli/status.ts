/** `tinetd status`: what runs, for people and with `--json` for programs. */
import { fetchStatus } from "../control/client.ts";
import type { ServiceStatus, Status } from "../control/messages.ts";
import { type CliContext, type Command, CommandFailure, exitCode } from "./command.ts";
import { connectionOptions, findControlSocket } from "./connection.ts";
import { type Column, formatTable } from "./table.ts";

export const status: Command = {
  name: "status",
  summary: "show what the daemon and its services do",
  arguments: [{ name: "[service...]", description: "only these services, with their handlers" }],
  options: [...connectionOptions, { flags: "--json", description: "print what the control socket answers" }],
  async run(context, names, options) {
    const socket = findControlSocket(context, options);
    const answer = await fetchStatus(socket);
    if (!answer.ok) {
      if (answer.error.kind === "failed") throw new CommandFailure(answer.error.message);
      throw new CommandFailure(`no daemon answers on ${socket}`, exitCode.notRunning);
    }
    const shown = select(answer.value, names);
    if (options.json === true) context.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    else context.stdout.write(format(shown, names.length > 0, widthOf(context)));
    return exitCode.done;
  },
};

function select(all: Status, names: readonly string[]): Status {
  const known = new Set(all.services.map(({ name }) => name));
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined) throw new CommandFailure(`there is no service "${unknown}"`);
  return names.length === 0
    ? all
    : { ...all, services: all.services.filter(({ name }) => names.includes(name)) };
}

function widthOf({ stdout }: CliContext): number | null {
  return stdout.isTTY === true ? (stdout.columns ?? 80) : null;
}

const serviceColumns: readonly Column<ServiceStatus>[] = [
  { title: "SERVICE", value: ({ name }) => name },
  { title: "STATE", value: ({ state }) => state },
  { title: "RUN", value: ({ handlers }) => String(handlers.length), align: "right" },
  { title: "CONN", value: ({ connections }) => count(connections), align: "right" },
  { title: "ACCEPTED", value: ({ accepted }) => count(accepted), align: "right" },
  { title: "REFUSED", value: ({ refused }) => String(total(refused)), align: "right" },
  { title: "LAST EXIT", value: ({ last_exit }) => exitText(last_exit) },
  { title: "LISTENERS", value: ({ listeners }) => listeners.map(({ address }) => address).join(" ") || "-" },
];

function format(all: Status, detailed: boolean, width: number | null): string {
  const { pid, version, config, connections } = all.daemon;
  const head = `tinetd ${version}, pid ${pid}, ${config}, ${connections} connections\n\n`;
  const table = formatTable(serviceColumns, all.services, width);
  const failures = all.services
    .filter(({ failure }) => failure !== null)
    .map(({ name, failure }) => `${name}: ${failure}\n`);
  const details = detailed ? all.services.map((service) => `\n${detail(service)}`) : [];
  return [head, table, failures.length > 0 ? "\n" : "", ...failures, ...details].join("");
}

function detail({ name, handlers, refused, spawned, start_failures }: ServiceStatus): string {
  const lines = [`${name}: ${spawned} handlers started, ${start_failures} starts failed`];
  for (const [reason, number] of Object.entries(refused)) lines.push(`  refused ${number}: ${reason}`);
  for (const { pid, state, started_at } of handlers)
    lines.push(`  handler ${pid} ${state} since ${started_at}`);
  return `${lines.join("\n")}\n`;
}

function count(number: number | null): string {
  return number === null ? "-" : String(number);
}

function total(refused: ServiceStatus["refused"]): number {
  return Object.values(refused).reduce((sum, number) => sum + number, 0);
}

function exitText(exit: ServiceStatus["last_exit"]): string {
  if (exit === null) return "-";
  return exit.signal ?? String(exit.code);
}
