import { expect, test } from "vitest";
import type { DaemonEvent } from "../../../src/log/events.ts";
import { filterEvents, type LogChoice } from "../../../src/log/filter.ts";

const events: DaemonEvent[] = [
  { event: "connection.accepted", service: "a", connection: 1, remote: "r", local: "l" },
  { event: "connection.refused", service: "a", reason: "limit", remote: "r", local: "l" },
  { event: "service.failed", service: "a", reason: "x", retry_ms: null },
  { event: "handler.started", service: "a", pid: 1 },
];

test.each<[LogChoice, string[]]>([
  ["all", ["connection.accepted", "connection.refused", "service.failed", "handler.started"]],
  ["failures", ["connection.refused", "service.failed"]],
  ["none", []],
])("log = %j", (choice, expected) => {
  const logged: string[] = [];
  const emit = filterEvents(choice, ({ event }) => logged.push(event));
  for (const event of events) emit(event);
  expect(logged).toEqual(expected);
});
