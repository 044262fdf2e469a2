/** The table of what the control socket answers: server, client, help and docs know no other list. */
import type { Result } from "../util/result.ts";
import * as messages from "./messages.ts";
import type { Role } from "./roles.ts";

/** Why a request could not be fulfilled. */
export interface Refusal {
  kind: "invalid" | "unknown" | "conflict" | "failed" | "unavailable";
  message: string;
  /** Of a configuration. */
  problems?: messages.Problem[];
}

/** Statuses of RFC 9110. */
export const statusOf: Readonly<Record<Refusal["kind"], number>> = {
  invalid: 400,
  unknown: 404,
  conflict: 409,
  failed: 500,
  unavailable: 501,
};

export type Outcome<T> = Promise<Result<T, Refusal>> | Result<T, Refusal>;

/** What the daemon does for the control socket. */
export interface Backend {
  status(): messages.Status;
  service(name: string): Result<messages.ServiceDetail, Refusal>;
  handlers(): messages.HandlerEntry[];
  connections(): messages.ConnectionEntry[];
  /** The configuration in force; values of the environment are hidden. */
  config(): Record<string, unknown>;
  /** Prometheus text. */
  metrics(): string;
  start(service: string): Outcome<messages.Nothing>;
  stop(service: string, how: { drain: boolean }): Outcome<messages.Nothing>;
  restart(service: string, how: { drain: boolean }): Outcome<messages.Nothing>;
  /** @param how.maxWaitMs resumes by itself after so long */
  pause(service: string, how: { maxWaitMs: number | null }): Outcome<messages.Nothing>;
  resume(service: string): Outcome<messages.Nothing>;
  /** Ends one handler of ours, or one connection. */
  kill(target: { pid: number } | { connection: number }): Outcome<messages.Nothing>;
  reload(how: { dryRun: boolean }): Outcome<messages.Plan>;
  upgrade(): Outcome<messages.Upgraded>;
  shutdown(how: { drain: boolean }): Outcome<messages.Nothing>;
  /** The last events, and then every further one until the function that is returned is called. */
  follow(follower: (event: messages.LoggedEvent) => void): { last: messages.LoggedEvent[]; stop: () => void };
}

/** One request with one answer. Fields of `input` come from the query or from a JSON body, `:names` from the path. */
export interface Route<
  I extends messages.Schema = messages.Schema,
  A extends messages.Schema = messages.Schema,
> {
  method: "GET" | "POST" | "DELETE";
  path: string;
  /** Who may: GET is for readers too. */
  role: Role;
  summary: string;
  input: I;
  answer: A;
  run(backend: Backend, input: messages.Output<I>): Outcome<messages.Output<A>>;
}

/** What is no JSON: a text, or (events) a stream. */
export interface PlainRoute {
  method: "GET";
  path: string;
  role: Role;
  summary: string;
  type: "text/plain; version=0.0.4; charset=utf-8" | "text/html; charset=utf-8" | "text/event-stream";
}

type Row<I extends messages.Schema, A extends messages.Schema> = Omit<Route<I, A>, "method" | "role">;
type Args<I extends messages.Schema, A extends messages.Schema> = [
  path: string,
  summary: string,
  input: I,
  answer: A,
  run: Route<I, A>["run"],
];

function row<I extends messages.Schema, A extends messages.Schema>(
  ...[path, summary, input, answer, run]: Args<I, A>
): Row<I, A> {
  return { path, summary, input, answer, run };
}

function get<I extends messages.Schema, A extends messages.Schema>(...args: Args<I, A>): Route<I, A> {
  return { method: "GET", role: "read", ...row(...args) };
}

/** What is told to whoever reaches the TCP listener too. */
function watch<I extends messages.Schema, A extends messages.Schema>(...args: Args<I, A>): Route<I, A> {
  return { ...get(...args), role: "watch" };
}

function post<I extends messages.Schema, A extends messages.Schema>(...args: Args<I, A>): Route<I, A> {
  return { method: "POST", role: "operate", ...row(...args) };
}

function remove<I extends messages.Schema, A extends messages.Schema>(...args: Args<I, A>): Route<I, A> {
  return { method: "DELETE", role: "operate", ...row(...args) };
}

const good = <T>(value: T): Result<T, Refusal> => ({ ok: true, value });

export const routes = {
  status: watch("/v1/status", "the daemon and all services", messages.nothing, messages.status, (backend) =>
    good(backend.status()),
  ),
  services: get(
    "/v1/services",
    "all services",
    messages.nothing,
    messages.list(messages.serviceStatus),
    (backend) => good(backend.status().services),
  ),
  service: get(
    "/v1/services/:service",
    "one service: handlers, connections, last events, and why it is as it is",
    messages.service,
    messages.serviceDetail,
    (backend, { service: name }) => backend.service(name),
  ),
  handlers: get(
    "/v1/handlers",
    "all handlers",
    messages.nothing,
    messages.list(messages.handlerEntry),
    (backend) => good(backend.handlers()),
  ),
  connections: get(
    "/v1/connections",
    "all open connections, as far as tinetd or the kernel knows them",
    messages.nothing,
    messages.list(messages.connectionEntry),
    (backend) => good(backend.connections()),
  ),
  config: get(
    "/v1/config",
    "the configuration in force; values of environments are hidden",
    messages.nothing,
    messages.object,
    (backend) => good(backend.config()),
  ),
  start: post(
    "/v1/services/:service/start",
    "listen",
    messages.service,
    messages.nothing,
    (backend, { service: name }) => backend.start(name),
  ),
  stop: post(
    "/v1/services/:service/stop",
    "stop listening, and stop the handlers",
    messages.stop,
    messages.nothing,
    (backend, { service: name, ...how }) => backend.stop(name, how),
  ),
  restart: post(
    "/v1/services/:service/restart",
    "stop, and start again",
    messages.stop,
    messages.nothing,
    (backend, { service: name, ...how }) => backend.restart(name, how),
  ),
  pause: post(
    "/v1/services/:service/pause",
    "accept nobody, and keep the sockets with who waits there",
    messages.pause,
    messages.nothing,
    (backend, { service: name, max_wait_ms }) => backend.pause(name, { maxWaitMs: max_wait_ms ?? null }),
  ),
  resume: post(
    "/v1/services/:service/resume",
    "go on",
    messages.service,
    messages.nothing,
    (backend, { service: name }) => backend.resume(name),
  ),
  killHandler: remove(
    "/v1/handlers/:pid",
    "end one handler",
    messages.handler,
    messages.nothing,
    (backend, target) => backend.kill(target),
  ),
  killConnection: remove(
    "/v1/connections/:connection",
    "end one connection",
    messages.connection,
    messages.nothing,
    (backend, target) => backend.kill(target),
  ),
  reload: post(
    "/v1/reload",
    "read the configuration again; answers when all that it changes is done",
    messages.reload,
    messages.plan,
    (backend, { dry_run }) => backend.reload({ dryRun: dry_run }),
  ),
  upgrade: post(
    "/v1/upgrade",
    "execute the installed version in place of this one",
    messages.nothing,
    messages.upgraded,
    (backend) => backend.upgrade(),
  ),
  shutdown: post("/v1/shutdown", "end the daemon", messages.shutdown, messages.nothing, (backend, how) =>
    backend.shutdown(how),
  ),
} satisfies Record<string, Route>;

export const plainRoutes = {
  page: {
    method: "GET",
    path: "/",
    role: "watch",
    summary: "/v1/status for people, as a page",
    type: "text/html; charset=utf-8",
  },
  events: {
    method: "GET",
    path: "/v1/events",
    role: "read",
    summary:
      "the last events, then every further one (server-sent events); ?follow=false: the last ones only",
    type: "text/event-stream",
  },
  metrics: {
    method: "GET",
    path: "/metrics",
    role: "watch",
    summary: "metrics for Prometheus",
    type: "text/plain; version=0.0.4; charset=utf-8",
  },
  healthz: {
    method: "GET",
    path: "/healthz",
    role: "watch",
    summary: "`ok`, as long as the daemon answers",
    type: "text/plain; version=0.0.4; charset=utf-8",
  },
} satisfies Record<string, PlainRoute>;
