/**
 * HTTP with JSON over the control socket and over the TCP listener, as the table of `routes.ts` has it. What a caller may send and hold is
 * bounded everywhere: nothing that he does makes the daemon wait or grow.
 */
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import { Socket } from "node:net";
import type { Carry } from "../native/carry.ts";
import type { Fd } from "../native/sys.ts";
import { type BoundListener, carryListener, closeListener } from "../net/listen.ts";
import type { Clock } from "../util/clock.ts";
import type { Result } from "../util/result.ts";
import { acceptCallers, type Call, type CallerWorld } from "./callers.ts";
import { isLiteralHost } from "./host.ts";
import { matchRoute, splitTarget } from "./match.ts";
import { type Failure, object, type Upgraded } from "./messages.ts";
import { pageHeaders, statusPage } from "./page.ts";
import { mayCall, type Role } from "./roles.ts";
import { type Backend, type PlainRoute, plainRoutes, type Route, routes, statusOf } from "./routes.ts";
import { isStream, streamEvents } from "./stream.ts";

/** No request is longer; a body carries a few options. */
const mostBodyBytes = 16 * 1024;
const mostHeaderBytes = 8 * 1024;

/** For callers who wait for an answer when the daemon ends. */
const closePatienceMs = 500;

export interface ControlWorld extends CallerWorld {
  backend: Backend;
  /** Reports an exception that nobody expected. */
  bug(error: unknown): void;
}

/** A server at one moment. */
export interface SavedControl {
  listener: BoundListener;
  /** Callers who wait to be told what has come of an upgrade. */
  waiting: Fd[];
}

export interface ControlServer {
  /** For another process that goes on (an upgrade): other callers lose their connection by that. */
  save(carry: Carry): SavedControl;
  /** Resolves when the answers that are under way have been sent, or their callers do not take them. */
  close(): Promise<void>;
}

/** Keeps `listener`. */
export function serveControl(world: ControlWorld, listener: BoundListener): ControlServer {
  const calls = new WeakMap<Socket, Call>();
  const answers = new Set<ServerResponse>();
  /** Of those who have asked for an upgrade. */
  const waiting = new Map<ServerResponse, Fd>();
  const server = createHttpServer((request, response) => {
    const call = calls.get(request.socket);
    // Only the first request of a connection is answered: the others are lined up by somebody who means no good.
    if (call === undefined || !calls.delete(request.socket)) return;
    answers.add(response);
    response.on("close", () => {
      answers.delete(response);
      waiting.delete(response);
    });
    const asks = (route: Route) => {
      if (route.path === routes.upgrade.path) waiting.set(response, call.fd);
    };
    answer(world.backend, call, request, response, asks).catch((error) => {
      world.bug(error);
      if (!response.headersSent) refuse(response, 500, { error: `a bug of tinetd, see its log: ${error}` });
    });
  });
  const callers = acceptCallers(world, listener, (call) => {
    calls.set(call.socket, call);
    server.emit("connection", call.socket);
  });
  return {
    save: (carry) => ({
      listener: carryListener(listener, carry),
      waiting: [...waiting.values()].map(carry),
    }),
    async close() {
      callers.stop();
      closeListener(world.sys, listener);
      for (const response of answers) if (isStream(response)) response.end();
      await allClosed(answers, world.clock);
      callers.close();
    },
  };
}

/** Resolves when all have been taken by their callers, or have had the time for it. */
async function allClosed(answers: ReadonlySet<ServerResponse>, clock: Clock): Promise<void> {
  if (answers.size === 0) return;
  await new Promise<void>((resolve) => {
    const patience = clock.after(closePatienceMs, resolve);
    for (const response of answers) {
      response.on("close", () => {
        if (answers.size > 0) return;
        patience.cancel();
        resolve();
      });
    }
  });
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

function createHttpServer(listener: Listener): Server {
  const server = createServer({ maxHeaderSize: mostHeaderBytes, keepAlive: false }, listener);
  server.on("clientError", (_error, socket) => socket.destroy());
  return server;
}

async function answer(
  backend: Backend,
  call: Call,
  request: IncomingMessage,
  response: ServerResponse,
  asks: (route: Route) => void,
): Promise<void> {
  response.on("error", () => {});
  const target = splitTarget(request.url ?? "");
  if (target === null) return refuse(response, 400, { error: "expected the path of a request" });
  // A page from anywhere may have its reader's browser ask us under a name of its own (DNS rebinding).
  if (call.role === "watch" && !isLiteralHost(request.headersDistinct.host ?? []))
    return refuse(response, 421, { error: "the Host must be an IP address or localhost" });
  const { path, query } = target;
  const method = request.method ?? "";
  const match = matchRoute(method, path);
  if (match.kind === "none") return refuse(response, 404, { error: `there is no ${path}` });
  if (match.kind === "method") {
    response.setHeader("allow", match.allowed.join(", "));
    return refuse(response, 405, { error: `${method} is not possible on ${path}` });
  }
  if (!mayCall(call.role, match.route.role)) {
    return refuse(response, 403, { error: forbidden(call.role, method) });
  }
  const body = await readBody(request);
  if (body === null) return refuse(response, 400, { error: "the body is no JSON object of at most 16 KiB" });
  call.asked();
  if (match.kind === "plain") return answerPlain(backend, match.route, query, response);
  asks(match.route);
  const input = { ...Object.fromEntries(query), ...body, ...match.parameters };
  return answerJson(backend, match.route, input, response);
}

async function answerJson(
  backend: Backend,
  route: Route,
  input: Record<string, unknown>,
  response: ServerResponse,
): Promise<void> {
  const parsed = route.input.safeParse(input);
  if (!parsed.success) return refuse(response, 400, { error: inputProblem(route, input, parsed.error) });
  const outcome = await route.run(backend, parsed.data);
  if (outcome.ok) return send(response, 200, "application/json", `${JSON.stringify(outcome.value)}\n`);
  const { kind, message, problems } = outcome.error;
  refuse(response, statusOf[kind], { error: message, ...(problems === undefined ? {} : { problems }) });
}

function answerPlain(
  backend: Backend,
  route: PlainRoute,
  query: URLSearchParams,
  response: ServerResponse,
): void {
  switch (route.path) {
    case plainRoutes.events.path:
      streamEvents(backend, response, { follow: query.get("follow") !== "false" });
      break;
    case plainRoutes.page.path:
      for (const [name, value] of Object.entries(pageHeaders)) response.setHeader(name, value);
      send(response, 200, route.type, statusPage(backend.status()));
      break;
    case plainRoutes.metrics.path:
      send(response, 200, route.type, backend.metrics());
      break;
    default:
      send(response, 200, route.type, "ok\n");
  }
}

function forbidden(role: Role, method: string): string {
  return role === "watch"
    ? "this is told over the control socket only"
    : `members of status_group may read: ${method} needs control_group`;
}

type InputError = NonNullable<ReturnType<Route["input"]["safeParse"]>["error"]>;

function inputProblem(route: Route, input: Record<string, unknown>, error: InputError): string {
  const [issue] = error.issues;
  const name = issue?.path.join(".") ?? "";
  return `${route.path}: ${name}: ${JSON.stringify(input[name]) ?? "nothing"}: ${issue?.message ?? "invalid"}`;
}

/** An empty body is an empty object. @returns `null` for what is too long or no JSON object */
async function readBody(request: IncomingMessage): Promise<Record<string, unknown> | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request) {
      length += (chunk as Buffer).length;
      if (length > mostBodyBytes) return null;
      chunks.push(chunk as Buffer);
    }
    if (length === 0) return {};
    const parsed = object.safeParse(JSON.parse(Buffer.concat(chunks).toString()));
    return parsed.success ? parsed.data : null;
  } catch {
    // Broken off, or no JSON.
    return null;
  }
}

/** Tells callers of a server that was saved what has come of the upgrade. Keeps their descriptors. */
export function answerWaiting(waiting: readonly Fd[], outcome: Result<Upgraded, Failure>): void {
  const [code, value] = outcome.ok ? [200, outcome.value] : [statusOf.failed, outcome.error];
  const text = `${JSON.stringify(value)}\n`;
  const head = [
    `HTTP/1.1 ${code} ${STATUS_CODES[code]}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(text)}`,
    "connection: close",
  ];
  for (const fd of waiting) {
    const socket = new Socket({ fd, readable: true, writable: true });
    socket.on("error", () => socket.destroy());
    socket.end(`${head.join("\r\n")}\r\n\r\n${text}`);
    socket.resume();
  }
}

function refuse(response: ServerResponse, code: number, failure: Failure): void {
  send(response, code, "application/json", `${JSON.stringify(failure)}\n`);
}

function send(response: ServerResponse, code: number, type: string, text: string): void {
  response.writeHead(code, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    "x-content-type-options": "nosniff",
    connection: "close",
  });
  response.end(text);
}
