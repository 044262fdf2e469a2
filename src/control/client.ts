/** Calls the daemon over its control socket, by the same table from which it answers. */
import { type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { err, ok, type Result } from "../util/result.ts";
import { fillPath } from "./match.ts";
import {
  type Failure,
  failure,
  type Input,
  type LoggedEvent,
  loggedEvent,
  type Output,
  type Schema,
} from "./messages.ts";
import { plainRoutes, type Route } from "./routes.ts";

export type CallFailure =
  | { kind: "not running" }
  /** We may not call, or not this. */
  | { kind: "forbidden"; message: string }
  | { kind: "failed"; message: string; problems: NonNullable<Failure["problems"]> };

/** An answer longer than this is not one of ours. */
const longestAnswer = 64 * 1024 * 1024;

/**
 * @param input fields of the route: those that its path names go there, the others into the body or the query
 * @param signal for a caller who does not want to wait any longer
 */
export async function call<I extends Schema, A extends Schema>(
  socketPath: string,
  route: Route<I, A>,
  input: Input<I> & Record<string, unknown>,
  signal?: AbortSignal,
): Promise<Result<Output<A>, CallFailure>> {
  const { path, rest } = fillPath(route.path, input);
  const response = await send(socketPath, route.method, path, JSON.stringify(rest), signal);
  if (!response.ok) return response;
  const body = await readJson(response.value);
  const parsed = route.answer.safeParse(body);
  if (response.value.statusCode === 200 && parsed.success) return ok(parsed.data);
  return err(failureOf(socketPath, response.value, body));
}

/** The last events and, to `follow`, then each as it comes, until the daemon ends. `missed`: we have not kept up. */
export async function followEvents(
  socketPath: string,
  { follow }: { follow: boolean },
  onEvent: (event: LoggedEvent | { missed: number }) => void,
): Promise<Result<null, CallFailure>> {
  const response = await send(socketPath, "GET", `${plainRoutes.events.path}?follow=${follow}`, "");
  if (!response.ok) return response;
  if (response.value.statusCode !== 200) {
    return err(failureOf(socketPath, response.value, await readJson(response.value)));
  }
  try {
    for await (const line of createInterface({ input: response.value })) {
      if (!line.startsWith("data: ")) continue;
      const data: unknown = JSON.parse(line.slice("data: ".length));
      const event = loggedEvent.safeParse(data);
      onEvent(event.success ? event.data : (data as { missed: number }));
    }
  } catch {
    // The daemon has ended in the middle of a line.
  }
  return ok(null);
}

async function send(
  socketPath: string,
  ...[method, path, body, signal]: Question
): Promise<Result<IncomingMessage, CallFailure>> {
  const first = await ask(socketPath, method, path, body, signal);
  // A daemon that executes itself anew (an upgrade) hangs up too. What changes nothing may be asked once more.
  const again = !first.ok && isHangUp(first.error) && method === "GET";
  const answer = again ? await ask(socketPath, method, path, body, signal) : first;
  return answer.ok ? answer : err(connectFailure(socketPath, answer.error));
}

type Question = [method: string, path: string, body: string, signal?: AbortSignal | undefined];

function ask(
  socketPath: string,
  ...[method, path, body, signal]: Question
): Promise<Result<IncomingMessage, NodeJS.ErrnoException>> {
  return new Promise((resolve) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const options = { socketPath, method, path, headers, agent: false as const };
    const sent = request(signal === undefined ? options : { ...options, signal }, (response) =>
      resolve(ok(response)),
    );
    sent.on("error", (error) => resolve(err(error)));
    sent.end(body);
  });
}

function isHangUp({ code }: NodeJS.ErrnoException): boolean {
  return code === "ECONNRESET" || code === "EPIPE";
}

function connectFailure(socketPath: string, error: NodeJS.ErrnoException): CallFailure {
  // A caller without a role is hung up on.
  if (error.code === "EACCES" || isHangUp(error))
    return { kind: "forbidden", message: `${socketPath}: you may not call this daemon` };
  if (error.code === "ENOENT" || error.code === "ECONNREFUSED") return { kind: "not running" };
  return { kind: "failed", message: `${socketPath}: ${error.code ?? error.message}`, problems: [] };
}

function failureOf(socketPath: string, { statusCode }: IncomingMessage, body: unknown): CallFailure {
  const said = failure.safeParse(body);
  if (!said.success) {
    const message = `${socketPath} does not answer as a tinetd of this version (status ${statusCode})`;
    return { kind: "failed", message, problems: [] };
  }
  const { error: message, problems = [] } = said.data;
  return statusCode === 403 ? { kind: "forbidden", message } : { kind: "failed", message, problems };
}

/** `undefined` for what is no JSON, or too long, or broken off. */
async function readJson(response: IncomingMessage): Promise<unknown> {
  try {
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) {
      text += chunk;
      if (text.length > longestAnswer) return undefined;
    }
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
