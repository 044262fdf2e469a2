/** All that is known of one service, for people. */
import type { ServiceDetail } from "../control/messages.ts";
import { cleanText } from "../log/clean.ts";
import { eventLine } from "./event-line.ts";
import { connectionColumns, handlerColumns } from "./listings.ts";
import { paint, type Screen } from "./screen.ts";
import { cutEnd, formatTable } from "./table.ts";
import { plural, sinceText } from "./text.ts";

/** @param now in milliseconds since 1970 */
export function formatDetail(detail: ServiceDetail, now: number, screen: Screen): string {
  const { handlers, connections, events } = detail;
  const parts = [summary(detail, now, screen)];
  if (handlers.length > 0) parts.push(formatTable(handlerColumns(now), handlers, screen));
  if (connections.length > 0) parts.push(formatTable(connectionColumns(now), connections, screen));
  if (events.length > 0) parts.push(eventLines(events, screen));
  return parts.join("\n");
}

function summary({ service }: ServiceDetail, now: number, screen: Screen): string {
  const { name, state, handoff, listeners, connections, accepted, spawned, start_failures } = service;
  const addresses = listeners.length === 0 ? ["nowhere"] : listeners.map(({ address }) => address);
  const counts = [
    connections === null ? null : plural(connections, "connection"),
    accepted === null ? null : `${accepted} accepted`,
    `${plural(spawned, "handler")} started`,
    `${plural(start_failures, "start")} failed`,
  ];
  const lines = [
    `${paint(screen, "bold", name)}: ${state}, handoff ${handoff}`,
    ...addresses.map((address) => `  listens on ${address}`),
    `  ${counts.filter((count) => count !== null).join(", ")}`,
    ...exitLines(service, now),
    ...Object.entries(service.refused).map(([reason, count]) => `  refused ${count}: ${reason}`),
  ];
  if (service.failure !== null) lines.push(`  ${paint(screen, "red", cleanText(service.failure, 4096))}`);
  return `${lines.join("\n")}\n`;
}

function exitLines({ last_exit: exit }: ServiceDetail["service"], now: number): string[] {
  if (exit === null) return [];
  const how = exit.signal === null ? `exited with ${exit.code}` : `was ended by ${exit.signal}`;
  return [`  handler ${exit.pid} ${how} ${sinceText(exit.at, now)} ago`];
}

/** Of a table of the last ten, a line that would wrap is more in the way than its end is worth. */
function eventLines(events: ServiceDetail["events"], screen: Screen): string {
  return events
    .map((event) => {
      const plain = eventLine(event, { colour: false });
      if (screen.width !== null && plain.length > screen.width) return `${cutEnd(plain, screen.width)}\n`;
      return `${eventLine(event, screen)}\n`;
    })
    .join("");
}
