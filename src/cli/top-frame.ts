/** One picture of `tinetd top`, from what the daemon said at two moments: pure. */
import type { ConnectionEntry, HandlerEntry, Status } from "../control/messages.ts";
import { serviceStateNames } from "../log/states.ts";
import { connectionColumns, handlerColumns } from "./listings.ts";
import { paint, type Screen } from "./screen.ts";
import { type Column, cutEnd, formatTable } from "./table.ts";
import { bytesText, plural, sinceText } from "./text.ts";

export interface Sample {
  /** In milliseconds since 1970. */
  at: number;
  status: Status;
  handlers: readonly HandlerEntry[];
  connections: readonly ConnectionEntry[];
}

/** @param screen its `width` is the room that there is; @param rows at most so many lines are given back */
export function topFrame(
  { now, before }: { now: Sample; before: Sample | null },
  screen: Screen,
  rows: number,
): string[] {
  const share = sharesOf(now, before);
  const busiest = now.handlers.toSorted((one, other) => (share(other) ?? 0) - (share(one) ?? 0));
  const liveliest = now.connections.toSorted(
    (one, other) => idleness(one) - idleness(other) || (one.id ?? 0) - (other.id ?? 0),
  );
  // Two lines of summary, and for each table an empty line and its head.
  const room = rows - 2 - 4;
  const handlerRoom = Math.max(room - liveliest.length, Math.ceil(room / 2));
  const columns = handlerColumns(now.at).map((column) =>
    column.title === "CPU" ? shareColumn(share) : column,
  );
  const shownHandlers = busiest.slice(0, handlerRoom);
  const shownConnections = liveliest.slice(0, Math.max(0, room - shownHandlers.length));
  const lines = [
    ...summary(now, share, screen),
    "",
    ...linesOf(formatTable(columns, shownHandlers, screen)),
    "",
    ...linesOf(formatTable(connectionColumns(now.at), shownConnections, screen)),
  ];
  return lines.slice(0, rows);
}

type Share = (handler: HandlerEntry) => number | null;

/** What share of one processor each handler has used since the sample before, in percent. */
function sharesOf(now: Sample, before: Sample | null): Share {
  const used = new Map(before?.handlers.map(({ pid, cpu_ms }) => [pid, cpu_ms]));
  const elapsedMs = before === null ? 0 : now.at - before.at;
  return ({ pid, cpu_ms }) => {
    const then = used.get(pid) ?? null;
    if (then === null || cpu_ms === null || elapsedMs <= 0) return null;
    return Math.max(0, ((cpu_ms - then) / elapsedMs) * 100);
  };
}

function shareColumn(share: Share): Column<HandlerEntry> {
  return { title: "%CPU", value: (handler) => percent(share(handler)), align: "right" };
}

function percent(share: number | null): string {
  return share === null ? "-" : share.toFixed(share < 9.95 ? 1 : 0);
}

/** In whole seconds, so that lines keep their places; those of which it is not known come last. */
function idleness({ idle_for_ms }: ConnectionEntry): number {
  return idle_for_ms === null ? Number.MAX_SAFE_INTEGER : Math.floor(idle_for_ms / 1000);
}

function summary({ at, status, handlers, connections }: Sample, share: Share, screen: Screen): string[] {
  const { pid, version, started_at } = status.daemon;
  const counts = serviceStateNames.flatMap((name) => {
    const count = status.services.filter(({ state }) => state === name).length;
    return count === 0 ? [] : [`${count} ${name}`];
  });
  const cpu = handlers.reduce((sum, handler) => sum + (share(handler) ?? 0), 0);
  const memory = handlers.reduce((sum, { memory_bytes }) => sum + (memory_bytes ?? 0), 0);
  const width = screen.width ?? Number.MAX_SAFE_INTEGER;
  const first = `tinetd ${version}, pid ${pid}, up ${sinceText(started_at, at)}: ${plural(status.services.length, "service")}, ${counts.join(", ")}`;
  const second = `${plural(handlers.length, "handler")} using ${percent(cpu)}% CPU and ${bytesText(memory)}, ${plural(connections.length, "connection")}`;
  return [paint(screen, "bold", cutEnd(first, width)), cutEnd(second, width)];
}

function linesOf(table: string): string[] {
  return table.split("\n").slice(0, -1);
}
