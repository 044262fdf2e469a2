/**
 * What /metrics tells: one table, from which the text for Prometheus and docs/metrics.md are made. Nothing here is
 * measured in advance: a row reads numbers that are counted anyway, when somebody asks.
 */
import { refusalReasons } from "../log/events.ts";
import { serviceStateNames } from "../log/states.ts";
import type { ServiceFigures } from "../service/figures.ts";
import type { Histogram } from "../util/histogram.ts";
import { type Family, formatFamily, type Sample } from "./exposition.ts";

/** What the daemon itself is measured by. */
export interface DaemonFigures {
  version: string;
  /** Of Node. */
  runtime: string;
  generation: number;
  /** Since 1970. */
  startedAtSeconds: number;
  cpuSeconds: number;
  residentBytes: number;
  descriptors: number;
  /** `null`: unlimited. */
  mostDescriptors: number | null;
  connections: number;
  mostConnections: number;
  /** How long the event loop was not waiting, and how often it went round, since the start. */
  loopBusySeconds: number;
  loopTurns: number;
  /** Lines that the destination did not take, and that floods were summarised instead of. */
  logLosses: { destination: number; flood: number };
}

export interface Figures {
  daemon: DaemonFigures;
  services: readonly ServiceFigures[];
}

type Value = number | Histogram;

/** Has no labels but those it names. */
interface DaemonMetric extends Family {
  read(figures: DaemonFigures): Value | null | readonly Sample[];
}

/** Has the label `service`, and then those it names. */
interface ServiceMetric extends Family {
  /** `null`: not of this service. */
  read(figures: ServiceFigures): Value | null | readonly Sample[];
}

type Row<M extends Family> = Omit<M, "labels"> & { labels?: readonly string[] };

const daemonRows: readonly Row<DaemonMetric>[] = [
  {
    name: "tinetd_build_info",
    type: "gauge",
    help: "1; the labels say which code runs.",
    labels: ["version", "node"],
    read: ({ version, runtime }) => [[[version, runtime], 1]],
  },
  {
    name: "tinetd_config_generation",
    type: "gauge",
    help: "1 at the start, and one more with each reload that changed something.",
    read: ({ generation }) => generation,
  },
  {
    name: "tinetd_open_connections",
    type: "gauge",
    help: "Connections that are open, of all services that tinetd accepts for.",
    read: ({ connections }) => connections,
  },
  {
    name: "tinetd_max_connections",
    type: "gauge",
    help: "How many there may be: max_connections, or fewer if descriptors do not suffice.",
    read: ({ mostConnections }) => mostConnections,
  },
  {
    name: "tinetd_event_loop_busy_seconds_total",
    type: "counter",
    help: "Time in which the event loop did not wait for events.",
    read: ({ loopBusySeconds }) => loopBusySeconds,
  },
  {
    name: "tinetd_event_loop_turns_total",
    type: "counter",
    help: "How often the event loop went round.",
    read: ({ loopTurns }) => loopTurns,
  },
  {
    name: "tinetd_log_lines_dropped_total",
    type: "counter",
    help: "Log lines that were not written: the destination did not take them, or they were a flood and are summarised.",
    labels: ["reason"],
    read: ({ logLosses: { destination, flood } }) => [
      [["destination"], destination],
      [["flood"], flood],
    ],
  },
  {
    name: "process_start_time_seconds",
    type: "gauge",
    help: "When the daemon was started, in seconds since 1970.",
    read: ({ startedAtSeconds }) => startedAtSeconds,
  },
  {
    name: "process_cpu_seconds_total",
    type: "counter",
    help: "Processor time of the daemon, user and system.",
    read: ({ cpuSeconds }) => cpuSeconds,
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Resident memory of the daemon.",
    read: ({ residentBytes }) => residentBytes,
  },
  {
    name: "process_open_fds",
    type: "gauge",
    help: "Descriptors that the daemon has open.",
    read: ({ descriptors }) => descriptors,
  },
  {
    name: "process_max_fds",
    type: "gauge",
    help: "How many it may have.",
    read: ({ mostDescriptors }) => mostDescriptors,
  },
];

const serviceRows: readonly Row<ServiceMetric>[] = [
  {
    name: "tinetd_service_state",
    type: "gauge",
    help: "1 for the state in which the service is, 0 for all others.",
    labels: ["state"],
    read: ({ state }) => serviceStateNames.map((name) => [[name], name === state ? 1 : 0]),
  },
  {
    name: "tinetd_service_accepted_total",
    type: "counter",
    help: "Connections that were let in. Not of services whose handlers accept by themselves.",
    read: ({ accepts, counters }) => (accepts ? counters.accepted : null),
  },
  {
    name: "tinetd_service_refused_total",
    type: "counter",
    help: "Connections that were refused, by reason; there is no series for a reason that never occurred.",
    labels: ["reason"],
    read: ({ counters: { refused } }) =>
      refusalReasons.flatMap((reason) => {
        const count = refused[reason];
        return count === undefined ? [] : [[[reason], count]];
      }),
  },
  {
    name: "tinetd_service_open_connections",
    type: "gauge",
    help: "Connections that are open; where handlers accept by themselves, as the kernel counts them, queued ones included.",
    read: ({ connections }) => connections,
  },
  {
    name: "tinetd_service_received_bytes_total",
    type: "counter",
    help: "What clients have sent, over connections that have ended and whose bytes are known.",
    read: ({ accepts, counters }) => (accepts ? counters.bytesIn : null),
  },
  {
    name: "tinetd_service_sent_bytes_total",
    type: "counter",
    help: "What clients were sent, over connections that have ended and whose bytes are known.",
    read: ({ accepts, counters }) => (accepts ? counters.bytesOut : null),
  },
  {
    name: "tinetd_service_handlers",
    type: "gauge",
    help: "Handlers that run.",
    read: ({ handlers }) => handlers,
  },
  {
    name: "tinetd_service_spawned_total",
    type: "counter",
    help: "Handlers that were started.",
    read: ({ counters }) => counters.spawned,
  },
  {
    name: "tinetd_service_start_failures_total",
    type: "counter",
    help: "Starts that failed, and workers that ended before they were ready.",
    read: ({ counters }) => counters.startFailures,
  },
  {
    name: "tinetd_service_cold_start_seconds",
    type: "histogram",
    help: "From the start of a worker until it was ready; no series before the first.",
    read: ({ counters: { coldStarts } }) => observed(coldStarts),
  },
  {
    name: "tinetd_service_handler_duration_seconds",
    type: "histogram",
    help: "From the start of a handler to its end; no series before the first.",
    read: ({ counters: { handlerDurations } }) => observed(handlerDurations),
  },
  {
    name: "tinetd_service_listeners",
    type: "gauge",
    help: "Listeners that are bound.",
    read: ({ listeners }) => listeners,
  },
  {
    name: "tinetd_service_missing_listeners",
    type: "gauge",
    help: "Listeners that cannot be bound, and are tried again.",
    read: ({ missingListeners }) => missingListeners,
  },
  {
    name: "tinetd_service_accept_queue_length",
    type: "gauge",
    help: "Clients that wait in the kernel's queue of a listener to be accepted.",
    labels: ["address"],
    read: ({ queues }) => [...queues].map(([address, length]) => [[address], length]),
  },
];

/** All rows with all their labels, in the order of the text. */
export const metrics: readonly Family[] = [
  ...daemonRows.map((row) => ({ ...row, labels: row.labels ?? [] })),
  ...serviceRows.map((row) => ({ ...row, labels: ["service", ...(row.labels ?? [])] })),
];

export function formatMetrics({ daemon, services }: Figures): string {
  const families = [
    ...daemonRows.map((row) => formatFamily({ ...row, labels: row.labels ?? [] }, samples(row.read(daemon)))),
    ...serviceRows.map((row) => {
      const all: Sample[] = [];
      for (const figures of services) {
        for (const [labels, value] of samples(row.read(figures)))
          all.push([[figures.name, ...labels], value]);
      }
      return formatFamily({ ...row, labels: ["service", ...(row.labels ?? [])] }, all);
    }),
  ];
  return families.join("");
}

function samples(read: Value | null | readonly Sample[]): readonly Sample[] {
  if (read === null) return [];
  return isSamples(read) ? read : [[[], read]];
}

function isSamples(read: Value | readonly Sample[]): read is readonly Sample[] {
  return Array.isArray(read);
}

/** Thousands of services that nobody has used yet should not have a dozen empty buckets each. */
function observed(histogram: Histogram): Histogram | null {
  return histogram.counts.some((count) => count > 0) ? histogram : null;
}
