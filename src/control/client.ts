/** Calls the daemon over its control socket. */
import { request } from "node:http";
import { err, ok, type Result } from "../util/result.ts";
import { type Status, status } from "./messages.ts";

export type CallFailure = { kind: "not running" } | { kind: "failed"; message: string };

/** An answer longer than this is not one of ours. */
const longestAnswer = 64 * 1024 * 1024;
const timeoutMs = 30_000;

export async function fetchStatus(socketPath: string): Promise<Result<Status, CallFailure>> {
  const answer = await call(socketPath, "GET", "/v1/status");
  if (!answer.ok) return answer;
  const parsed = status.safeParse(answer.value);
  if (parsed.success) return ok(parsed.data);
  return err({ kind: "failed", message: `${socketPath} does not answer as a tinetd of this version` });
}

function call(socketPath: string, method: string, path: string): Promise<Result<unknown, CallFailure>> {
  return new Promise((resolve) => {
    const failed = (message: string) =>
      resolve(err({ kind: "failed", message: `${socketPath}: ${message}` }));
    const sent = request({ socketPath, method, path, timeout: timeoutMs, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > longestAnswer) sent.destroy();
      });
      response.on("end", () => {
        const body = parseJson(text);
        if (body === undefined) failed("the answer is not JSON");
        else if (response.statusCode === 200) resolve(ok(body));
        else failed((body as { error?: string }).error ?? `status ${response.statusCode}`);
      });
      response.on("error", (error) => failed(error.message));
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") resolve(err({ kind: "not running" }));
      else failed(error.code ?? error.message);
    });
    sent.end();
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
