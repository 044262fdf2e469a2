/** Taking a worker away loses nobody: clients that come just when it is about to go are all answered. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { readAll } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { asRoot, needs } from "../rig/needs.ts";

const services = 40;
const cycles = 320;

const program = fileURLToPath(new URL("workers/daemon.py", import.meta.url));

// Closing the door at a TCP listener needs CAP_NET_ADMIN.
needs(asRoot)(`clients around the idle edge are all answered, for ${cycles} stops`, async () => {
  await using rig = await startDaemon(({ directory }) => {
    const copy = join(directory, "daemon.py");
    copyFileSync(program, copy);
    return Array.from(
      { length: services },
      (_, n) => `
[services.s${n}]
listen       = "127.0.0.1:0"
handoff      = "listen"
command      = ["/usr/bin/python3", "-S", "-E", "${copy}"]
idle_timeout = "200ms"
`,
    ).join("\n");
  });
  let stops = 0;
  let served = 0;
  const failures: string[] = [];
  const visit = async (name: string) => {
    const port = await rig.port(name);
    while (stops < cycles) {
      const answer = await readAll(port).catch((error: Error) => `${error.message}`);
      if (answer === "served\n") served += 1;
      else failures.push(answer === "" ? "no answer" : answer);
      // Around the edge: the timeout, and what is added until it is noticed. No time is claimed here.
      await delay(150 + Math.random() * 200);
      stops = rig.events.filter(({ event }) => event === "handler.stopping").length;
    }
  };
  await Promise.all(Array.from({ length: services }, (_, n) => visit(`s${n}`)));
  expect(failures).toEqual([]);
  expect(served).toBeGreaterThan(cycles);
  const exited = rig.events.flatMap((event) => (event.event === "handler.exited" ? [event.signal] : []));
  expect(new Set(exited)).toEqual(new Set(["SIGTERM"]));
});

needs(asRoot)(
  "who comes after the worker was told to stop is served by the next, however long it stays",
  async () => {
    await using rig = await startDaemon(({ directory }) => {
      const copy = join(directory, "daemon.py");
      copyFileSync(program, copy);
      return `
[services.stubborn]
listen       = "127.0.0.1:0"
handoff      = "listen"
command      = ["/usr/bin/python3", "-S", "-E", "${copy}", "stubborn"]
idle_timeout = "200ms"
stop_timeout = "500ms"
`;
    });
    const port = await rig.port("stubborn");
    const first = Number(await readAll(port));
    await rig.event("handler.stopping", { pid: first });
    const second = Number(await readAll(port));
    expect(second).not.toBe(first);
    expect(await rig.event("handler.exited", { pid: first })).toMatchObject({ signal: "SIGKILL" });
  },
);
