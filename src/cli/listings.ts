/** The tables of handlers and connections, as `ps`, `top` and `status SERVICE` show them. */
import type { ConnectionEntry, HandlerEntry } from "../control/messages.ts";
import type { Colour } from "./screen.ts";
import { type Column, cutAddress, terseAddress } from "./table.ts";
import { ageText, bytesText, countText, cpuText, sinceText } from "./text.ts";

/** @param now in milliseconds since 1970 */
export function handlerColumns(now: number): readonly Column<HandlerEntry>[] {
  return [
    { title: "PID", value: ({ pid }) => String(pid), align: "right" },
    { title: "SERVICE", value: ({ service }) => service, least: 8 },
    { title: "STATE", value: ({ state }) => state, spare: 2, colour: ({ state }) => handlerColours[state] },
    { title: "CONN", value: ({ connections }) => countText(connections), align: "right", spare: 4 },
    {
      title: "PEER",
      value: ({ peer }) => peer ?? "-",
      terse: ({ peer }) => terseAddress(peer ?? "-"),
      least: 15,
      shorten: cutAddress,
    },
    { title: "AGE", value: ({ started_at }) => sinceText(started_at, now), align: "right" },
    { title: "IDLE", value: ({ idle_for_ms }) => ageText(idle_for_ms), align: "right" },
    { title: "IN", value: ({ bytes_in }) => bytesText(bytes_in), align: "right" },
    { title: "OUT", value: ({ bytes_out }) => bytesText(bytes_out), align: "right" },
    { title: "CPU", value: ({ cpu_ms }) => cpuText(cpu_ms), align: "right" },
    { title: "MEM", value: ({ memory_bytes }) => bytesText(memory_bytes), align: "right" },
    { title: "SAYS", value: ({ status }) => status ?? "", least: 8, spare: 5 },
  ];
}

/** @param now in milliseconds since 1970 */
export function connectionColumns(now: number): readonly Column<ConnectionEntry>[] {
  return [
    { title: "CONN", value: ({ id }) => countText(id), align: "right" },
    { title: "SERVICE", value: ({ service }) => service, least: 8 },
    { title: "PID", value: ({ pid }) => countText(pid), align: "right" },
    {
      title: "REMOTE",
      value: ({ remote }) => remote,
      terse: ({ remote }) => terseAddress(remote),
      least: 16,
      shorten: cutAddress,
    },
    {
      title: "LOCAL",
      value: ({ local }) => local,
      terse: ({ local }) => terseAddress(local),
      least: 15,
      shorten: cutAddress,
      spare: 1,
    },
    { title: "AGE", value: ({ started_at }) => sinceText(started_at, now), align: "right" },
    { title: "IDLE", value: ({ idle_for_ms }) => ageText(idle_for_ms), align: "right" },
    { title: "IN", value: ({ bytes_in }) => bytesText(bytes_in), align: "right" },
    { title: "OUT", value: ({ bytes_out }) => bytesText(bytes_out), align: "right" },
  ];
}

const handlerColours: Readonly<Record<HandlerEntry["state"], Colour | null>> = {
  starting: "yellow",
  ready: null,
  idle: "dim",
  frozen: "dim",
  stopping: "yellow",
};
