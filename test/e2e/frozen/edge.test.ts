/** Freezing loses nobody: clients that come just when the worker is about to be frozen, or stopped after that, are answered. */

import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { mechanisms } from "../process/mechanisms.ts";
import { readAll } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { needs } from "../rig/needs.ts";

/** Without a cgroup each freeze looks through all processes of the machine. */
const extent = { cgroup: { services: 20, cycles: 300 }, descent: { services: 6, cycles: 100 } };

const program = fileURLToPath(new URL("../idle/workers/daemon.py", import.meta.url));

for (const { name, needs: needed, launcher } of mechanisms) {
  const { services, cycles } = extent[name];
  // Stopping loses nobody only where the door can be closed, which needs root as well.
  needs(...needed)(
    `clients around the idle edge are all answered, for ${cycles} freezes by ${name}`,
    async () => {
      await using rig = await startDaemon(
        ({ directory }) => {
          const copy = join(directory, "daemon.py");
          copyFileSync(program, copy);
          return Array.from(
            { length: services },
            (_, n) => `
[services.s${n}]
listen       = "127.0.0.1:0"
handoff      = "listen"
command      = ["/usr/bin/python3", "-S", "-E", "${copy}"]
idle_timeout = "100ms"
on_idle      = "freeze"
max_frozen   = "${n % 2 === 0 ? "30ms" : "1h"}"
`,
          ).join("\n");
        },
        { launcher },
      );
      let freezes = 0;
      let served = 0;
      const failures: string[] = [];
      const visit = async (service: string) => {
        const port = await rig.port(service);
        while (freezes < cycles) {
          const answer = await readAll(port).catch((error: Error) => `${error.message}`);
          if (answer === "served\n") served += 1;
          else failures.push(answer === "" ? "no answer" : answer);
          // Around the edges: both timeouts, and what is added until they are noticed. No time is claimed here.
          await delay(80 + Math.random() * 300);
          freezes = rig.events.filter(({ event }) => event === "handler.frozen").length;
        }
      };
      await Promise.all(Array.from({ length: services }, (_, n) => visit(`s${n}`)));
      expect(failures).toEqual([]);
      expect(served).toBeGreaterThan(cycles);
      const stops = rig.events.flatMap((event) => (event.event === "handler.stopping" ? [event.reason] : []));
      expect(new Set(stops)).toEqual(new Set(["max_frozen"]));
    },
  );
}
