/** docs/events.md, and whether it says what the code does. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { catalogue } from "../../../src/log/catalogue.ts";
import { levelOf } from "../../../src/log/describe.ts";
import { eventsMarkdown } from "../../../src/log/docs.ts";
import type { DaemonEvent } from "../../../src/log/events.ts";
import { budgetOf } from "../../../src/log/flood.ts";

const page = readFileSync(resolve(import.meta.dirname, "../../../docs/events.md"), "utf8");

test("docs/events.md is current: npx tsx scripts/write-reference.ts", () => {
  expect(page).toBe(eventsMarkdown());
});

const ends = { remote: "r", local: "l" };
const refused: DaemonEvent = { event: "connection.refused", service: "s", reason: "limit", ...ends };
const limited: DaemonEvent = { event: "service.state", service: "s", state: "limited" };
const stderr: DaemonEvent = { event: "handler.stderr", service: "s", pid: 1, text: "" };

test.each<DaemonEvent>([
  { event: "daemon.reload", generation: 2, added: [], removed: [], changed: [], unchanged: 1, error: "x" },
  { event: "daemon.reload", generation: 2, added: ["a"], removed: ["b"], changed: [], unchanged: 1 },
  { event: "daemon.shutdown", reason: "x" },
  { event: "http.listening", address: "a" },
  { event: "http.failed", address: "a", reason: "x", retry_ms: 1 },
  { event: "service.listening", service: "s", address: "a", backlog: 1 },
  { event: "service.listening", service: "s", address: "a", backlog: 1, warning: "x" },
  { event: "service.failed", service: "s", reason: "x", retry_ms: null },
  { event: "service.recovered", service: "s" },
  { event: "service.state", service: "s", state: "active" },
  { event: "service.state", service: "s", state: "stopped" },
  limited,
  { event: "connection.accepted", service: "s", connection: 1, ...ends },
  refused,
  { ...refused, reason: "error" },
  { event: "handler.started", service: "s", pid: 1 },
  { event: "handler.ready", service: "s", pid: 1, duration_ms: 1 },
  { event: "handler.stopping", service: "s", pid: 1, reason: "x", signal: "SIGTERM" },
  { event: "handler.frozen", service: "s", pid: 1 },
  { event: "handler.thawed", service: "s", pid: 1, duration_ms: 1 },
  stderr,
  { ...stderr, dropped: 1 },
])("the level of %j is one that the page names", (event) => {
  expect(catalogue[event.event].level).toMatch(new RegExp(`\\b${levelOf(event)}\\b`));
});

test.each([
  [50, refused],
  [20, limited],
  [1000, stderr],
])("the budget of %i a second is the one that the page names", (perSecond, event) => {
  expect(budgetOf(event)?.perSecond).toBe(perSecond);
  expect(page.replaceAll("\n", " ")).toContain(`${perSecond} times \`${event.event}\``);
});
