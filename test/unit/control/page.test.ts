import { expect, test } from "vitest";
import type { ServiceStatus } from "../../../src/control/messages.ts";
import { statusPage } from "../../../src/control/page.ts";

const hostile = `<script>alert("1")</script>&'`;
const service: ServiceStatus = {
  name: hostile,
  state: "failed",
  handoff: "stdio",
  listeners: [{ address: `unix:/${hostile}`, name: hostile }],
  handlers: [],
  connections: null,
  accepted: 7,
  refused: { limit: 2 },
  spawned: 7,
  start_failures: 0,
  last_exit: null,
  failure: hostile,
};
const daemon = {
  pid: 1,
  version: hostile,
  started_at: "2026-01-01T00:00:00.000Z",
  config: hostile,
  generation: 1,
  connections: 3,
};

test("what services and files are called cannot become part of the page", () => {
  const page = statusPage({ daemon, services: [service] });
  expect(page).not.toContain("<script");
  expect(page).toContain("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;");
});

test("a service has a row, and nothing comes from elsewhere", () => {
  const page = statusPage({ daemon, services: [service, { ...service, name: "ssh", state: "active" }] });
  expect(page).toContain('<tr class="active"><td>ssh</td><td>active</td>');
  expect(page).toContain("<td>limit 2</td>");
  expect(page.match(/(src|href)="[^/]/g)).toBeNull();
});
