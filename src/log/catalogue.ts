/**
 * What each event and each of its fields means, for docs/events.md. The compiler sees to it that none is left out, and
 * that a field which may be absent is said to be.
 */
import type { DaemonEvent, EventName } from "./events.ts";

type EventOf<N extends EventName> = Extract<DaemonEvent, { event: N }>;
type FieldOf<N extends EventName> = N extends EventName ? Exclude<keyof EventOf<N>, "event"> & string : never;
export type FieldName = FieldOf<EventName>;

/** Whether an event always has a field. */
type Presence<E, K extends keyof E> = undefined extends E[K] ? "sometimes" : "always";

type Catalogue = {
  readonly [N in EventName]: {
    readonly level: string;
    readonly about: string;
    readonly fields: { readonly [K in FieldOf<N>]-?: Presence<EventOf<N>, K & keyof EventOf<N>> };
  };
};

export const catalogue: Catalogue = {
  "daemon.ready": {
    level: "info",
    about: "Every bind has been tried once.",
    fields: {
      pid: "always",
      version: "always",
      services: "always",
      listeners: "always",
      failed: "always",
      max_connections: "always",
      unknown: "sometimes",
    },
  },
  "daemon.reload": {
    level: "info; error if something could not be done",
    about:
      "The configuration was read again; with `error` it is invalid, and everything as it was, or some of it could not be followed and is as it was.",
    fields: {
      generation: "always",
      added: "always",
      removed: "always",
      changed: "always",
      unchanged: "always",
      daemon: "sometimes",
      error: "sometimes",
    },
  },
  "daemon.upgrade": {
    level: "info; error if it has failed, and the daemon goes on as it was",
    about: "Another version has taken over with all sockets, handlers and connections; or could not.",
    fields: { version: "sometimes", previous: "sometimes", duration_ms: "sometimes", error: "sometimes" },
  },
  "daemon.shutdown": { level: "info", about: "The daemon is told to end.", fields: { reason: "always" } },
  "http.listening": {
    level: "info",
    about: "The TCP listener of `[daemon] http` is bound.",
    fields: { address: "always" },
  },
  "http.failed": {
    level: "error",
    about: "It cannot be bound, and is tried again; services are not concerned.",
    fields: { address: "always", reason: "always", retry_ms: "always" },
  },
  "service.listening": {
    level: "info; warn with `warning`",
    about: "A listener is bound, or (with `warning`) was kept by a reload that asks more of it.",
    fields: { service: "always", address: "always", backlog: "always", warning: "sometimes" },
  },
  "service.failed": {
    level: "error",
    about: "A listener cannot be bound, or (without `address`) the service cannot run.",
    fields: { service: "always", reason: "always", address: "sometimes", retry_ms: "always" },
  },
  "service.recovered": {
    level: "info",
    about: "What had failed works again.",
    fields: { service: "always", address: "sometimes" },
  },
  "service.state": {
    level: "info; debug for `listening` and `active`, warn for `limited` and `failed`",
    about: "The service is in another state.",
    fields: { service: "always", state: "always", reason: "sometimes", until_ms: "sometimes" },
  },
  "connection.accepted": {
    level: "info",
    about: "A client was let in.",
    fields: { service: "always", connection: "always", remote: "always", local: "always" },
  },
  "connection.refused": {
    level: "warn; error for the reason `error`",
    about: "A client was not let in, or could not be served.",
    fields: {
      service: "always",
      connection: "sometimes",
      reason: "always",
      remote: "always",
      local: "always",
      error: "sometimes",
    },
  },
  "connection.closed": {
    level: "info",
    about: "A connection that was let in has ended.",
    fields: {
      service: "always",
      connection: "always",
      pid: "always",
      remote: "always",
      code: "always",
      signal: "always",
      duration_ms: "always",
      bytes_in: "sometimes",
      bytes_out: "sometimes",
      datagrams_in: "sometimes",
      datagrams_out: "sometimes",
      datagrams_dropped: "sometimes",
      error: "sometimes",
    },
  },
  "handler.started": {
    level: "info",
    about: "A handler was started; with `connection` if it has only that one.",
    fields: { service: "always", pid: "always", connection: "sometimes" },
  },
  "handler.ready": {
    level: "info",
    about: "A worker has said that it can serve.",
    fields: { service: "always", pid: "always", duration_ms: "always" },
  },
  "handler.exited": {
    level: "info",
    about: "A handler has ended.",
    fields: {
      service: "always",
      pid: "always",
      code: "always",
      signal: "always",
      duration_ms: "always",
      user_ms: "always",
      system_ms: "always",
      max_rss_kb: "always",
    },
  },
  "handler.stopping": {
    level: "info",
    about: "A handler is told to end.",
    fields: { service: "always", pid: "always", reason: "always", signal: "always" },
  },
  "handler.frozen": {
    level: "info",
    about: 'An idle worker stands still (`on_idle = "freeze"`).',
    fields: { service: "always", pid: "always" },
  },
  "handler.thawed": {
    level: "info",
    about: "A frozen worker goes on.",
    fields: { service: "always", pid: "always", duration_ms: "always" },
  },
  "handler.stderr": {
    level: "info; warn for lines that were dropped",
    about: 'A handler has written a line, with `stderr = "log"`.',
    fields: { service: "always", pid: "always", text: "always", dropped: "sometimes" },
  },
};

export const fieldMeanings: Readonly<Record<FieldName, string>> = {
  service: "its name",
  connection: "its number, which no other has",
  pid: "of the handler (in `daemon.ready` of the daemon); null for a connection that came to none",
  remote: "the client, `tcp://192.0.2.1:50123` or `unix:...`, as far as `log.addresses` tells it",
  local: "where the client connected to",
  address: "of the listener",
  reason: "of a refusal one word; else a sentence",
  error: "what went wrong",
  code: "exit status; null if a signal was the end",
  signal: "its name, `SIGTERM`; null if there was none",
  duration_ms:
    "from the start, the accept or (`handler.thawed`) the freeze on; of an upgrade, how long nobody was accepted",
  bytes_in: "what the client has sent",
  bytes_out: "what the client was sent",
  datagrams_in: "of a flow on UDP",
  datagrams_out: "of a flow on UDP",
  datagrams_dropped: "of a flow on UDP, in either direction",
  user_ms: "processor time",
  system_ms: "processor time in the kernel",
  max_rss_kb: "the most memory that it had, in KiB; null if no more than the daemon",
  state: "as in `tinetd status`",
  until_ms: "for how long, if it ends by itself",
  retry_ms: "when it is tried again; null: not by itself",
  backlog: "how many may wait there",
  warning: "what it cannot do as well as it should, and what that can cost",
  text: "the line, cut to 1024 characters and cleaned",
  dropped: "so many lines were not kept",
  version: "of the daemon",
  previous: "the version before",
  services: "how many there are",
  listeners: "how many are bound",
  failed: "how many services lack a listener, or cannot run",
  max_connections: "how many connections there may be, for all services",
  generation: "1, and one more with each reload that changed something",
  added: "names of services",
  removed: "names of services",
  changed: "names of services",
  unchanged: "how many services were not touched",
  daemon: "keys of `[daemon]`",
  unknown: "sockets that the daemon was given and nobody declares; they were closed",
};
