/** Calls at the control socket, as any HTTP client makes them. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import type { Rig } from "../rig/rig.ts";

export interface Answer {
  code: number;
  body: unknown;
}

export async function call(rig: Rig, method: string, path: string, body?: unknown): Promise<Answer> {
  const sent = request({ socketPath: rig.controlSocket, method, path, agent: false });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = await once(sent, "response");
  return { code: response.statusCode, body: JSON.parse(await text(response)) };
}

/** The same with curl as somebody else; `code` is 0 if the call did not come through. */
export async function callAs(
  rig: Rig,
  { uid, gid, groups }: { uid: number; gid: number; groups?: string },
  method: string,
  path: string,
): Promise<number> {
  const identity = [
    `--reuid=${uid}`,
    `--regid=${gid}`,
    groups === undefined ? "--clear-groups" : `--groups=${groups}`,
  ];
  const curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", method];
  const words = [...identity, ...curl, "--unix-socket", rig.controlSocket, `http://tinetd${path}`];
  const { stdout } = await promisify(execFile)("setpriv", words).catch((error: { stdout: string }) => error);
  return Number(stdout);
}
