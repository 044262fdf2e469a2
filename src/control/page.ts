/** The status page: what /v1/status says, for people with a browser. Pure; nothing on it comes from elsewhere. */
import type { ServiceStatus, Status } from "./messages.ts";

/** The page needs no script, no picture and no frame, so a browser is told to run and load none. */
export const pageHeaders: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
};

const titles = [
  "service",
  "state",
  "handoff",
  "listeners",
  "handlers",
  "connections",
  "accepted",
  "refused",
  "failure",
];

export function statusPage({ daemon, services }: Status): string {
  const facts = [
    `version ${daemon.version}`,
    `pid ${daemon.pid}`,
    `since ${daemon.started_at}`,
    `generation ${daemon.generation}`,
    `${daemon.connections} open connections`,
  ];
  return `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>tinetd</title>
<style>
body { font: 15px/1.4 sans-serif; margin: 2em; color-scheme: light dark }
table { border-collapse: collapse }
th, td { border-bottom: 1px solid #8886; padding: .3em .8em; text-align: left; vertical-align: top }
.failed, .limited { color: #c33 }
</style>
<h1>tinetd</h1>
<p>${facts.map(escapeHtml).join(" · ")}</p>
<table>
<tr>${titles.map((title) => `<th>${title}</th>`).join("")}</tr>
${services.map(row).join("\n")}
</table>
<p><a href="/metrics">/metrics</a> · <a href="/v1/status">/v1/status</a> · <a href="/healthz">/healthz</a></p>
</html>
`;
}

function row(service: ServiceStatus): string {
  const { refused } = service;
  const cells = [
    service.name,
    service.state,
    service.handoff,
    service.listeners.map(({ address }) => address).join(" "),
    `${service.handlers.length}`,
    `${service.connections ?? "?"}`,
    `${service.accepted ?? "?"}`,
    Object.entries(refused)
      .map(([reason, count]) => `${reason} ${count}`)
      .join(" "),
    service.failure ?? "",
  ];
  return `<tr class="${service.state}">${cells.map((text) => `<td>${escapeHtml(text)}</td>`).join("")}</tr>`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
