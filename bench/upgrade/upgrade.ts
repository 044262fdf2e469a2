/**
 * What an upgrade costs clients: how long one waits at most who connects just then, and how long the daemon itself says
 * that nobody was accepted. No other super-server does this, so that there is nobody to stand beside.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { availableParallelism, loadavg, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Benchmark, Column, Report, Settings } from "../benchmark.ts";
import { compile, tinetdMain } from "../programs.ts";
import { freePort, type Server, startServer } from "../server.ts";
import { median, quantile } from "../statistics.ts";

const columns: readonly Column[] = [
  { key: "services", title: "services", digits: 0 },
  { key: "open", title: "open", digits: 0 },
  { key: "gapMs", title: "gap ms", digits: 0 },
  { key: "gapP95Ms", title: "p95 ms", digits: 0 },
  { key: "longestMs", title: "longest wait ms", digits: 0 },
  { key: "longestP95Ms", title: "p95 ms", digits: 0 },
  { key: "totalMs", title: "upgrade ms", digits: 0 },
  { key: "visits", title: "visits", digits: 0 },
  { key: "errors", title: "errors", digits: 0 },
];

/** Services, and connections that stay open throughout, each with a process of its own. */
const scenes = [
  { services: 1, open: 0 },
  { services: 100, open: 500 },
  { services: 1_000, open: 0 },
];

export const upgrade: Benchmark = {
  name: "upgrade",
  summary: "the longest wait of a client while the daemon executes itself anew",
  run: measure,
};

interface Outcome {
  gapMs: number[];
  longestMs: number[];
  totalMs: number[];
  visits: number;
  errors: number;
}

async function measure(settings: Settings): Promise<Report> {
  const loadBefore = loadavg()[0] ?? 0;
  const rows: (number | null)[][] = [];
  for (const { services, open } of scenes) {
    settings.progress(`upgrade: ${services} services, ${open} connections`);
    const { gapMs, longestMs, totalMs, visits, errors } = await play(services, open, settings);
    rows.push([
      services,
      open,
      median(gapMs),
      quantile(gapMs, 0.95),
      median(longestMs),
      quantile(longestMs, 0.95),
      median(totalMs),
      visits,
      errors,
    ]);
  }
  return {
    title: "upgrade: the daemon executes itself anew",
    columns,
    rows,
    notes: [
      `${settings.rounds} upgrades of each; meanwhile one client after the other connects and reads a first byte`,
      `load of the machine before: ${loadBefore.toFixed(1)} on ${availableParallelism()} cores`,
    ],
  };
}

async function play(services: number, open: number, settings: Settings): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), "tinetd-bench-"));
  const socket = join(directory, "control.sock");
  const heldPort = await freePort();
  const tinetd = await startTinetd(directory, socket, services, heldPort);
  const held: Socket[] = [];
  const outcome: Outcome = { gapMs: [], longestMs: [], totalMs: [], visits: 0, errors: 0 };
  try {
    for (let count = 0; count < open; count++) held.push(await hold(heldPort));
    for (let round = 0; round < settings.rounds; round++) {
      settings.interrupted.throwIfAborted();
      await watchUpgrade(socket, tinetd.port, outcome);
    }
    for (const connection of held) outcome.errors += connection.closed ? 1 : 0;
  } finally {
    for (const connection of held) connection.destroy();
    await tinetd.stop();
    rmSync(directory, { recursive: true });
  }
  return outcome;
}

/** Clients come one after the other until the upgrade is done. */
async function watchUpgrade(socketPath: string, port: number, outcome: Outcome): Promise<void> {
  let done = false;
  let longestMs = 0;
  const began = performance.now();
  const upgraded = ask(socketPath).finally(() => {
    done = true;
  });
  while (!done) {
    const start = performance.now();
    const said = await text(connect(port, "127.0.0.1")).catch(() => "");
    longestMs = Math.max(longestMs, performance.now() - start);
    outcome.visits += 1;
    if (said === "") outcome.errors += 1;
  }
  const { gap_ms } = await upgraded;
  outcome.gapMs.push(gap_ms);
  outcome.longestMs.push(longestMs);
  outcome.totalMs.push(performance.now() - began);
}

async function ask(socketPath: string): Promise<{ gap_ms: number }> {
  const sent = request({ socketPath, method: "POST", path: "/v1/upgrade", agent: false });
  sent.end("{}");
  const [response] = await once(sent, "response");
  const body = await text(response);
  if (response.statusCode !== 200) throw new Error(body);
  return JSON.parse(body);
}

async function hold(port: number): Promise<Socket> {
  const connection = connect(port, "127.0.0.1");
  connection.write("x");
  await once(connection, "data");
  return connection;
}

async function startTinetd(
  directory: string,
  socket: string,
  services: number,
  heldPort: number,
): Promise<Server> {
  const port = await freePort();
  const conf = join(directory, "inetd.toml");
  const user = userInfo().username === "root" ? 'user = "root"' : "";
  const worker = JSON.stringify([await compile("pass-worker"), "0"]);
  const used = `[services.used]\nlisten = "127.0.0.1:${port}"\nhandoff = "pass"\nlog = "none"\ncommand = ${worker}\n${user}\n`;
  const held = `[services.held]\nlisten = "127.0.0.1:${heldPort}"\nlog = "none"\ncommand = "cat"\nmax_instances = 1000\n${user}\n`;
  const unused = Array.from(
    { length: services - 1 },
    (_, n) => `[services.s${n}]\nlisten = "127.0.0.1:0"\ncommand = "true"\n${user}\n`,
  );
  const text = `[daemon]\ncontrol_socket = "${socket}"\n${used}${held}${unused.join("")}`;
  writeFileSync(conf, text, { mode: 0o644 });
  const args = [tinetdMain, "run", "--config", conf];
  return startServer({ file: process.execPath, args, errorFile: join(directory, "stderr") }, port);
}
