/** The table of what the control socket answers: server, client, help and docs know no other list. */
import { z } from "zod";
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
export type Nothing = z.infer<typeof nothing>;

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
  start(service: string): Outcome<Nothing>;
  stop(service: string, how: { drain: boolean }): Outcome<Nothing>;
  restart(service: string, how: { drain: boolean }): Outcome<Nothing>;
  /** @param how.maxWaitMs resumes by itself after so long */
  pause(service: string, how: { maxWaitMs: number | null }): Outcome<Nothing>;
  resume(service: string): Outcome<Nothing>;
  /** Ends one handler of ours, or one connection. */
  kill(target: { pid: number } | { connection: number }): Outcome<Nothing>;
  reload(how: { dryRun: boolean }): Outcome<messages.Plan>;
  upgrade(): Outcome<z.infer<typeof upgraded>>;
  shutdown(how: { drain: boolean }): Outcome<Nothing>;
  /** The last events, and then every further one until the function that is returned is called. */
  follow(follower: (event: messages.LoggedEvent) => void): { last: messages.LoggedEvent[]; stop: () => void };
}

/** One request with one answer. Fields of `input` come from the query or from a JSON body, `:names` from the path. */
export interface Route<I extends z.ZodType = z.ZodType, A extends z.ZodType = z.ZodType> {
  method: "GET" | "POST" | "DELETE";
  path: string;
  /** Who may: GET is for readers too. */
  role: Role;
  summary: string;
  input: I;
  answer: A;
  run(backend: Backend, input: z.output<I>): Outcome<z.output<A>>;
}

/** What is no JSON: a text, or (events) a stream. */
export interface PlainRoute {
  method: "GET";
  path: string;
  role: Role;
  summary: string;
  type: "text/plain; version=0.0.4; charset=utf-8" | "text/event-stream";
}

const none = z.object({});
const nothing = z.object({});
const service = z.object({ service: z.string() });
const flag = z.union([z.boolean(), z.stringbool()]).prefault(false);
const number = z.coerce.number().int().positive();
const drain = { drain: flag.meta({ description: "let open connections finish" }) };
export const upgraded = z.object({ version: z.string().meta({ description: "of the code that runs now" }) });

type Row<I extends z.ZodType, A extends z.ZodType> = Omit<Route<I, A>, "method" | "role">;
type Args<I extends z.ZodType, A extends z.ZodType> = [
  path: string,
  summary: string,
  input: I,
  answer: A,
  run: Route<I, A>["run"],
];

function row<I extends z.ZodType, A extends z.ZodType>(
  ...[path, summary, input, answer, run]: Args<I, A>
): Row<I, A> {
  return { path, summary, input, answer, run };
}

function get<I extends z.ZodType, A extends z.ZodType>(...args: Args<I, A>): Route<I, A> {
  return { method: "GET", role: "read", ...row(...args) };
}

function post<I extends z.ZodType, A extends z.ZodType>(...args: Args<I, A>): Route<I, A> {
  return { method: "POST", role: "operate", ...row(...args) };
}

function remove<I extends z.ZodType, A extends z.ZodType>(...args: Args<I, A>): Route<I, A> {
  return { method: "DELETE", role: "operate", ...row(...args) };
}

const good = <T>(value: T): Result<T, Refusal> => ({ ok: true, value });

export const routes = {
  status: get("/v1/status", "the daemon and all services", none, messages.status, (backend) =>
    good(backend.status()),
  ),
  services: get("/v1/services", "all services", none, z.array(messages.serviceStatus), (backend) =>
    good(backend.status().services),
  ),
  service: get(
    "/v1/services/:service",
    "one service: handlers, connections, last events, and why it is as it is",
    service,
    messages.serviceDetail,
    (backend, { service: name }) => backend.service(name),
  ),
  handlers: get("/v1/handlers", "all handlers", none, z.array(messages.handlerEntry), (backend) =>
    good(backend.handlers()),
  ),
  connections: get(
    "/v1/connections",
    "all open connections, as far as tinetd or the kernel knows them",
    none,
    z.array(messages.connectionEntry),
    (backend) => good(backend.connections()),
  ),
  config: get(
    "/v1/config",
    "the configuration in force; values of environments are hidden",
    none,
    z.record(z.string(), z.unknown()),
    (backend) => good(backend.config()),
  ),
  start: post("/v1/services/:service/start", "listen", service, nothing, (backend, { service: name }) =>
    backend.start(name),
  ),
  stop: post(
    "/v1/services/:service/stop",
    "stop listening, and stop the handlers",
    service.extend(drain),
    nothing,
    (backend, { service: name, ...how }) => backend.stop(name, how),
  ),
  restart: post(
    "/v1/services/:service/restart",
    "stop, and start again",
    service.extend(drain),
    nothing,
    (backend, { service: name, ...how }) => backend.restart(name, how),
  ),
  pause: post(
    "/v1/services/:service/pause",
    "accept nobody, and keep the sockets with who waits there",
    service.extend({
      max_wait_ms: number.optional().meta({ description: "resume by itself after so long, in milliseconds" }),
    }),
    nothing,
    (backend, { service: name, max_wait_ms }) => backend.pause(name, { maxWaitMs: max_wait_ms ?? null }),
  ),
  resume: post("/v1/services/:service/resume", "go on", service, nothing, (backend, { service: name }) =>
    backend.resume(name),
  ),
  killHandler: remove(
    "/v1/handlers/:pid",
    "end one handler",
    z.object({ pid: number }),
    nothing,
    (backend, target) => backend.kill(target),
  ),
  killConnection: remove(
    "/v1/connections/:connection",
    "end one connection",
    z.object({ connection: number }),
    nothing,
    (backend, target) => backend.kill(target),
  ),
  reload: post(
    "/v1/reload",
    "read the configuration again; answers when all that it changes is done",
    z.object({ dry_run: flag.meta({ description: "only say what would change" }) }),
    messages.plan,
    (backend, { dry_run }) => backend.reload({ dryRun: dry_run }),
  ),
  upgrade: post(
    "/v1/upgrade",
    "execute the installed version in place of this one",
    none,
    upgraded,
    (backend) => backend.upgrade(),
  ),
  shutdown: post("/v1/shutdown", "end the daemon", z.object(drain), nothing, (backend, how) =>
    backend.shutdown(how),
  ),
} satisfies Record<string, Route>;

export const plainRoutes = {
  events: {
    method: "GET",
    path: "/v1/events",
    role: "read",
    summary: "the last events, then every further one (server-sent events)",
    type: "text/event-stream",
  },
  metrics: {
    method: "GET",
    path: "/metrics",
    role: "read",
    summary: "metrics for Prometheus",
    type: "text/plain; version=0.0.4; charset=utf-8",
  },
  healthz: {
    method: "GET",
    path: "/healthz",
    role: "read",
    summary: "`ok`, as long as the daemon answers",
    type: "text/plain; version=0.0.4; charset=utf-8",
  },
} satisfies Record<string, PlainRoute>;
