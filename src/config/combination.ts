/**
 * What goes with what: which kinds of listeners and which keys make sense under each handoff. One table, from which
 * come the errors, what a service takes over from `[defaults]` (misfit.ts), and the table of the reference.
 */
import type { EndpointKind } from "../net/address.ts";
import type { Handoff } from "./schema/handoff.ts";

/** Whether something goes with a handoff; if not, or not always, why. */
export type Cell =
  | { is: "yes"; note?: string }
  | { is: "no"; why: string }
  /** Only if the service has a listener of one of these kinds. */
  | { is: "only"; kinds: readonly EndpointKind[]; note: string };

type Row = Record<Handoff, Cell>;

export interface ListenerRule {
  kinds: readonly EndpointKind[];
  cells: Row;
}

export interface KeyRule {
  /** Paths of keys: `workers.min`. */
  keys: readonly string[];
  /** The rule is about this value of the key alone. */
  value?: string;
  cells: Row;
}

const yes: Cell = { is: "yes" };
const note = (text: string): Cell => ({ is: "yes", note: text });
const no = (why: string): Cell => ({ is: "no", why });

const streams: readonly EndpointKind[] = ["tcp", "unix", "unix-seqpacket"];
const onTcp: Cell = { is: "only", kinds: ["tcp"], note: "TCP" };
const onInternet: Cell = { is: "only", kinds: ["tcp", "udp"], note: "TCP, UDP" };
const onStreams: Cell = { is: "only", kinds: streams, note: "streams" };
const onUnix: Cell = { is: "only", kinds: ["unix", "unix-seqpacket"], note: "Unix" };

const byItself = no("the handler accepts by itself, tinetd sees no connection");
const noWorker = no("there is no worker that outlives a connection");
const noProcess = no("no process is started");
const noDatagrams = no("it hands over connections, and a datagram socket has none");

export const listenerRules: readonly ListenerRule[] = [
  {
    kinds: ["tcp", "unix"],
    cells: { stdio: yes, wait: yes, listen: yes, pass: yes, proxy: yes, builtin: yes },
  },
  {
    kinds: ["unix-seqpacket"],
    cells: {
      stdio: yes,
      wait: yes,
      listen: yes,
      pass: yes,
      proxy: no("it relays streams"),
      builtin: no("they speak on streams and UDP"),
    },
  },
  {
    kinds: ["udp"],
    cells: {
      stdio: note("a handler per peer"),
      wait: yes,
      listen: yes,
      pass: noDatagrams,
      proxy: noDatagrams,
      builtin: yes,
    },
  },
  {
    kinds: ["unix-dgram"],
    cells: {
      stdio: noDatagrams,
      wait: yes,
      listen: yes,
      pass: noDatagrams,
      proxy: noDatagrams,
      builtin: no("they speak on streams and UDP"),
    },
  },
  {
    kinds: ["fifo"],
    cells: {
      stdio: no("a fifo has no connections"),
      wait: yes,
      listen: yes,
      pass: no("a fifo has no connections"),
      proxy: no("a fifo has no connections"),
      builtin: no("they speak on streams and UDP"),
    },
  },
];

/** The same for every handoff that starts a process. */
const processes = (cell: Cell): Row => ({
  stdio: cell,
  wait: cell,
  listen: cell,
  pass: cell,
  proxy: cell,
  builtin: noProcess,
});

/** The same for every handoff in which tinetd accepts. */
const accepted = (cell: Cell): Row => ({
  stdio: cell,
  wait: byItself,
  listen: byItself,
  pass: cell,
  proxy: cell,
  builtin: cell,
});

const served: Row = {
  stdio: noWorker,
  wait: no("a wait handler is started for what is there, and ends by itself"),
  listen: yes,
  pass: yes,
  proxy: yes,
  builtin: noProcess,
};

export const keyRules: readonly KeyRule[] = [
  { keys: ["allow", "deny"], cells: { ...accepted(onInternet), wait: onInternet, listen: onInternet } },
  { keys: ["allow_users", "allow_groups"], cells: accepted(onUnix) },
  {
    keys: ["rate", "access_times", "max_load", "max_pressure"],
    cells: {
      ...accepted(yes),
      wait: note("for starting the handler"),
      listen: note("for starting the worker"),
    },
  },
  { keys: ["max_per_source", "source_prefix", "rate_per_source"], cells: accepted(onInternet) },
  { keys: ["sensor"], cells: accepted(onTcp) },
  { keys: ["banner", "refusal"], cells: accepted(onStreams) },
  {
    keys: ["proxy_protocol", "trusted_proxies", "accept_timeout"],
    cells: { ...accepted(onTcp), builtin: no("built-ins are not for use behind a proxy") },
  },
  {
    keys: ["wake_on", "first_byte_timeout"],
    cells: {
      stdio: onTcp,
      wait: no("the handler accepts by itself; `defer_accept` does it in the kernel"),
      listen: no("the worker accepts by itself; `defer_accept` does it in the kernel"),
      pass: onTcp,
      proxy: onTcp,
      builtin: noProcess,
    },
  },
  {
    keys: ["max_instances"],
    cells: {
      stdio: note("handlers"),
      wait: no("there is always one handler"),
      listen: no("`workers.max` says how many workers there may be"),
      pass: no("`workers` says how many workers there may be, and how much each is given"),
      proxy: note("open connections"),
      builtin: note("open connections"),
    },
  },
  { keys: ["idle_timeout"], cells: { ...processes(yes), builtin: note("of a connection") } },
  {
    keys: ["on_idle", "max_frozen"],
    cells: { ...processes(yes), stdio: no("an idle stdio handler is always stopped") },
  },
  { keys: ["ready", "start_timeout", "workers.min", "watchdog", "replace", "restart"], cells: served },
  {
    keys: ["ready"],
    value: "connect",
    cells: {
      ...served,
      listen: no("tinetd holds the listener, which always accepts"),
      pass: no("a worker of pass listens nowhere"),
    },
  },
  { keys: ["workers.max"], cells: { ...served, proxy: no("one daemon serves them all") } },
  {
    keys: ["workers.connections", "workers.max_served"],
    cells: {
      ...served,
      listen: no("the worker accepts by itself, tinetd sees no connection"),
      proxy: no("one daemon serves them all; `max_instances` bounds the connections"),
    },
  },
  {
    keys: ["protocol"],
    cells: {
      ...processes(no('connections are not sent to workers; that is handoff = "pass"')),
      pass: yes,
    },
  },
  {
    keys: ["upstream", "upstream_proxy_protocol"],
    cells: {
      ...processes(no('nothing is relayed; that is handoff = "proxy"')),
      proxy: yes,
      builtin: no("nothing is relayed"),
    },
  },
  {
    keys: ["connection_fd", "on_disconnect"],
    cells: {
      ...processes(no('a handler is not started for one connection; that is handoff = "stdio"')),
      stdio: yes,
    },
  },
  {
    keys: ["stderr"],
    value: "socket",
    cells: { ...processes(no("the handler has no one connection")), stdio: yes },
  },
  {
    keys: ["listen_pid"],
    cells: {
      ...processes(no("LISTEN_PID is not set")),
      stdio: note("with `connection_fd = 3`"),
      listen: yes,
    },
  },
  {
    keys: ["drain_timeout"],
    cells: { ...processes(yes), stdio: no("a reload ends no connection of stdio") },
  },
  {
    keys: [
      "command",
      "argv0",
      "max_lifetime",
      "stop_signal",
      "stop_timeout",
      "kill_mode",
      "start_limit",
      "user",
      "group",
      "groups",
      "working_directory",
      "root_directory",
      "runtime_directory",
      "umask",
      "environment",
      "environment_file",
      "pass_environment",
      "nice",
      "oom_score_adjust",
      "limits",
      "capabilities",
      "no_new_privileges",
      "cgroup",
      "stderr",
    ],
    cells: processes(yes),
  },
];
