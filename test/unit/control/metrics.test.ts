/** The table of metrics: its text, its page, and names as Prometheus wants them. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { type DaemonFigures, formatMetrics, metrics } from "../../../src/control/metrics.ts";
import { metricsMarkdown } from "../../../src/control/metrics-docs.ts";
import { newCounters } from "../../../src/service/counters.ts";
import type { ServiceFigures } from "../../../src/service/figures.ts";
import { observe } from "../../../src/util/histogram.ts";

const daemon: DaemonFigures = {
  version: "1.2.3",
  runtime: "20.0.0",
  generation: 1,
  startedAtSeconds: 1,
  cpuSeconds: 0.25,
  residentBytes: 1024,
  descriptors: 20,
  mostDescriptors: null,
  connections: 0,
  mostConnections: 10,
  loopBusySeconds: 0.5,
  loopTurns: 7,
  logLosses: { destination: 1, flood: 2 },
};

function figures(name: string, changes: Partial<ServiceFigures> = {}): ServiceFigures {
  return {
    name,
    state: "listening",
    accepts: true,
    counters: newCounters(),
    handlers: 0,
    connections: 0,
    listeners: 1,
    missingListeners: 0,
    queues: new Map([["tcp://127.0.0.1:7", 0]]),
    ...changes,
  };
}

const linesOf = (text: string, name: string) =>
  text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));

test("docs/metrics.md is current: npx tsx scripts/write-reference.ts", () => {
  const page = readFileSync(resolve(import.meta.dirname, "../../../docs/metrics.md"), "utf8");
  expect(page).toBe(metricsMarkdown());
});

test("names are unique, and say what they are", () => {
  expect(new Set(metrics.map(({ name }) => name)).size).toBe(metrics.length);
  for (const { name, type } of metrics) expect(name.endsWith("_total")).toBe(type === "counter");
});

test("families stand in the order of the table, services in theirs, and each is announced once", () => {
  const text = formatMetrics({ daemon, services: [figures("b"), figures("a")] });
  const announced = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  const known = metrics.map(({ name }) => name);
  expect(announced).toEqual(known.filter((name) => announced.includes(name)));
  expect(linesOf(text, "tinetd_service_spawned_total")).toEqual([
    'tinetd_service_spawned_total{service="b"} 0',
    'tinetd_service_spawned_total{service="a"} 0',
  ]);
});

test("no series is told twice", () => {
  const busy = figures("busy", { state: "active" });
  busy.counters.refused = { limit: 2, rate: 1 };
  observe(busy.counters.coldStarts, 0.2);
  observe(busy.counters.handlerDurations, 3);
  const text = formatMetrics({ daemon, services: [busy, figures("idle")] });
  const series = text
    .split("\n")
    .flatMap((line) => (line.startsWith("#") ? [] : [line.replace(/ \S+$/, "")]));
  expect(new Set(series).size).toBe(series.length);
  expect(linesOf(text, "tinetd_service_refused_total")).toEqual([
    'tinetd_service_refused_total{service="busy",reason="rate"} 1',
    'tinetd_service_refused_total{service="busy",reason="limit"} 2',
  ]);
  expect(linesOf(text, "tinetd_service_cold_start_seconds_count")).toEqual([
    'tinetd_service_cold_start_seconds_count{service="busy"} 1',
  ]);
});

test("exactly one state is 1", () => {
  const text = formatMetrics({ daemon, services: [figures("a", { state: "limited" })] });
  expect(linesOf(text, "tinetd_service_state").filter((line) => line.endsWith(" 1"))).toEqual([
    'tinetd_service_state{service="a",state="limited"} 1',
  ]);
});

test("what nobody can tell is left out, and not said to be 0", () => {
  const text = formatMetrics({
    daemon,
    services: [figures("a", { accepts: false, connections: null, queues: new Map() })],
  });
  for (const name of ["accepted_total", "open_connections", "received_bytes_total", "accept_queue_length"])
    expect(linesOf(text, `tinetd_service_${name}`)).toEqual([]);
  expect(linesOf(text, "process_max_fds")).toEqual([]);
});
