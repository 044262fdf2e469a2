/** Fifty upgrades under load, with connections of every handoff open throughout. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type Client, connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import type { Logged } from "../rig/event-log.ts";

const upgrades = 50;
const echo = fileURLToPath(new URL("echo.py", import.meta.url));
const names = ["stdio", "listen", "pass", "proxy"];

test("nobody is refused, no handler and no byte is lost, the pid stays", { timeout: 300_000 }, async () => {
  await using rig = await startDaemon(
    ({ directory, fixture }) => {
      copyFileSync(echo, join(directory, "echo.py"));
      const python = `/usr/bin/python3", "${directory}/echo.py`;
      return `
[services.stdio]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"

[services.listen]
listen  = "127.0.0.1:0"
handoff = "listen"
command = ["${python}"]

[services.pass]
listen   = "127.0.0.1:0"
handoff  = "pass"
protocol = "seqpacket"
command  = ["${python}"]

[services.proxy]
listen   = "127.0.0.1:0"
handoff  = "proxy"
upstream = "unix:${directory}/upstream.sock"
command  = ["${python}", "${directory}/upstream.sock"]
`;
    },
    { user: process.getuid?.() === 0 ? "root" : "nobody" },
  );
  const ports = new Map<string, number>();
  for (const name of names) ports.set(name, await rig.port(name));

  /** What a line is answered with: by `cat` itself, by the others with the pid in front. */
  const talk = async (client: Client, name: string, text: string): Promise<string> => {
    if (name === "stdio") {
      expect(await client.command(`echo ${text}`)).toBe(text);
      return (JSON.parse(await client.command("report")) as { pid: number }).pid.toString();
    }
    const [pid = "", answer] = (await client.command(text)).split(" ");
    expect(answer).toBe(text);
    return pid;
  };

  const lasting = new Map<string, Client>();
  const pids = new Map<string, string>();
  for (const name of names) {
    const client = await connect(ports.get(name) ?? 0);
    lasting.set(name, client);
    pids.set(name, await talk(client, name, "first"));
  }

  let running = true;
  let served = 0;
  let longestMs = 0;
  const load = [...ports].map(async ([name, port]) => {
    while (running) {
      const began = performance.now();
      await using client = await connect(port);
      await talk(client, name, `line${served}`);
      longestMs = Math.max(longestMs, performance.now() - began);
      served += 1;
    }
  });
  // A test that fails half-way does not leave its clients running.
  const failed = Promise.all(load);
  failed.catch(() => {
    running = false;
  });

  let last: Logged | undefined;
  const gaps: number[] = [];
  try {
    for (let round = 1; round <= upgrades && running; round++) {
      rig.signal("SIGUSR2");
      last = await rig.event("daemon.upgrade", {}, last === undefined ? {} : { after: last });
      expect(last).not.toHaveProperty("error");
      gaps.push((last as Logged<"daemon.upgrade">).duration_ms ?? 0);
      for (const [name, client] of lasting) {
        expect([name, await talk(client, name, `round${round}`)]).toEqual([name, pids.get(name)]);
      }
    }
  } finally {
    running = false;
  }
  await failed;

  const { daemon, services } = await rig.status();
  expect(daemon.pid).toBe(rig.pid);
  for (const { name, refused, start_failures } of services)
    expect([name, refused, start_failures]).toEqual([name, {}, 0]);
  for (const client of lasting.values()) await client[Symbol.asyncDispose]();
  gaps.sort((one, other) => one - other);
  process.stdout.write(
    `${upgrades} upgrades, ${served} clients served meanwhile; gap ${gaps[upgrades / 2]} ms (median), ${gaps.at(-1)} ms at most; longest visit ${Math.round(longestMs)} ms\n`,
  );
});
