/** What the tests of reload share: a configuration that changes, and the two ways of asking for it. */

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import type { Plan } from "../../../src/control/messages.ts";
import { startDaemon } from "../rig/daemon.ts";
import type { Rig } from "../rig/rig.ts";

export interface Reloadable {
  rig: Rig;
  /** Writes the configuration anew and reloads it. @throws what the daemon says against it */
  reload(text: string, how?: { dry_run: boolean }): Promise<Plan>;
  write(text: string): void;
}

const asNobody = process.getuid?.() === 0 ? '\n[defaults]\nuser = "nobody"\n' : "";

/** @param text without `[defaults]`, which names the user */
export async function startReloadable(
  configuration: (place: { directory: string; handler: string; acceptor: string }) => string,
): Promise<Reloadable & { place: { directory: string; handler: string; acceptor: string } }> {
  let place = { directory: "", handler: "", acceptor: "" };
  const rig = await startDaemon(({ directory, fixture }) => {
    place = { directory, handler: fixture("handler"), acceptor: fixture("acceptor") };
    return configuration(place);
  });
  const write = (written: string) => writeFileSync(rig.configPath, written + asNobody);
  return {
    rig,
    place,
    write,
    async reload(written, how) {
      write(written);
      const sent = request({
        socketPath: rig.controlSocket,
        method: "POST",
        path: "/v1/reload",
        agent: false,
      });
      sent.end(JSON.stringify(how ?? {}));
      const [response] = await once(sent, "response");
      const body = JSON.parse(await text(response));
      if (response.statusCode !== 200) throw new Error(`${response.statusCode}: ${JSON.stringify(body)}`);
      return body;
    },
  };
}
