/** Asks whether somebody answers at an address, for readiness: one question, one answer, nothing kept. */
import { request } from "node:http";
import type { Sys } from "../native/sys.ts";
import type { Target } from "../net/target.ts";

/** Whom to ask: as node:http takes it. */
export type ProbeTarget = { host: string; port: number } | { path: string };

/** One question may take this long. */
const patienceMs = 2_000;

/** Whether a connection is taken. @returns aborts the question; `done` is not called then */
export function tryConnect(
  sys: Pick<Sys, "close">,
  target: Target,
  done: (answered: boolean) => void,
): () => void {
  return target.connect(patienceMs, (outcome) => {
    if (outcome.ok) sys.close(outcome.value);
    done(outcome.ok);
  });
}

/** Whether `GET path` is answered with 2xx. */
export function askHttp(target: ProbeTarget, path: string, done: (answered: boolean) => void): () => void {
  const place = "path" in target ? { socketPath: target.path } : target;
  const asked = request({ ...place, path, timeout: patienceMs, agent: false }, (response) => {
    response.resume();
    const code = response.statusCode ?? 0;
    finish(code >= 200 && code < 300);
  });
  const finish = settle(() => asked.destroy(), done);
  asked.on("timeout", () => finish(false));
  asked.on("error", () => finish(false));
  asked.end();
  return () => finish(null);
}

/** Ends the question once; `null` ends it without an answer. */
function settle(end: () => void, done: (answered: boolean) => void): (answered: boolean | null) => void {
  let settled = false;
  return (answered) => {
    if (settled) return;
    settled = true;
    end();
    if (answered !== null) done(answered);
  };
}
