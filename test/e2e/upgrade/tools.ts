/** What tests of the whole daemon's upgrade share. */
import { once } from "node:events";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import type { Upgraded } from "../../../src/control/messages.ts";
import type { Rig } from "../rig/rig.ts";

/** Has the daemon execute itself anew, and waits until it serves again. @throws what it says against it */
export async function upgrade({ controlSocket: socketPath }: Rig): Promise<Upgraded> {
  const headers = { host: "tinetd" };
  const sent = request({ socketPath, method: "POST", path: "/v1/upgrade", headers, agent: false });
  sent.end("{}");
  const [response] = await once(sent, "response");
  const body = await text(response);
  if (response.statusCode !== 200) throw new Error(`${response.statusCode}: ${body}`);
  return JSON.parse(body) as Upgraded;
}
