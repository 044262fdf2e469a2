/**
 * What a daemon costs for which nothing happens, with a hundred services: wake-ups, processor time, memory. Beside it a
 * bare Node that waits for nothing, on whose account the memory is.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Benchmark, Column, Report, Settings } from "../benchmark.ts";
import { wakes } from "../clients.ts";
import { memoryOf, usageOf } from "../process.ts";
import { compile, tinetdMain } from "../programs.ts";
import { freePorts, startServer } from "../server.ts";

const services = 100;
/** V8 cleans up once, about 8 seconds after the last work; what is measured begins after that. */
const settleMs = 14_000;
const windowMs = 20_000;
const pauseMs = 5;

const columns: readonly Column[] = [
  { key: "process", title: "process", digits: null },
  { key: "wakeUpsPerSecond", title: "wake-ups/s", digits: 2 },
  { key: "cpuUsPerSecond", title: "CPU us/s", digits: 1 },
  { key: "residentMiB", title: "resident MiB", digits: 1 },
  { key: "privateDirtyMiB", title: "private dirty MiB", digits: 1 },
];

export const idle: Benchmark = {
  name: "idle",
  summary: "a hundred services that nobody uses: wake-ups, processor time, memory; takes over a minute",
  run: measure,
};

type Row = (string | number)[];

async function measure({ interrupted, progress }: Settings): Promise<Report> {
  const client = await compile("client");
  const directory = mkdtempSync(join(tmpdir(), "tinetd-bench-"));
  const bare = spawn(process.execPath, ["--eval", "setInterval(() => {}, 2 ** 30)"], { stdio: "ignore" });
  const rows: Row[] = [];
  try {
    const ports = await freePorts(services);
    const conf = join(directory, "inetd.toml");
    writeFileSync(conf, await configuration(ports, directory), { mode: 0o644 });
    const args = [tinetdMain, "run", "--config", conf];
    const errorFile = join(directory, "stderr");
    const server = await startServer({ file: process.execPath, args, errorFile }, ports.at(-1) ?? 0);
    try {
      progress("idle: after the start");
      rows.push(
        ...(await watch(interrupted, { "bare Node": pidOf(bare), "tinetd, just started": server.pid })),
      );
      progress("idle: each service is used once");
      const { errors } = await wakes(client, ports, pauseMs);
      if (errors > 0) throw new Error(`${errors} services did not answer`);
      rows.push(...(await watch(interrupted, { "tinetd, all services used once": server.pid })));
    } finally {
      await server.stop();
    }
  } finally {
    bare.kill();
    await once(bare, "exit");
    rmSync(directory, { recursive: true });
  }
  return {
    title: `idle: a daemon with ${services} services, and nobody there`,
    columns,
    rows,
    notes: [
      `over ${windowMs / 1000} s each, all threads; it begins ${settleMs / 1000} s after the last that has happened`,
      "a third of the services each: stdio, listen, pass; none of their handlers runs then",
    ],
  };
}

async function watch(interrupted: AbortSignal, processes: Readonly<Record<string, number>>): Promise<Row[]> {
  await delay(settleMs, undefined, { signal: interrupted });
  const before = Object.entries(processes).map(([name, pid]) => ({ name, pid, usage: usageOf(pid) }));
  await delay(windowMs, undefined, { signal: interrupted });
  return before.map(({ name, pid, usage }) => {
    const after = usageOf(pid);
    const { residentKb, privateDirtyKb } = memoryOf(pid);
    return [
      name,
      (after.switches - usage.switches) / (windowMs / 1000),
      (after.cpuNs - usage.cpuNs) / 1000 / (windowMs / 1000),
      residentKb / 1024,
      privateDirtyKb / 1024,
    ];
  });
}

async function configuration(ports: readonly number[], directory: string): Promise<string> {
  const kinds = [
    { handoff: "stdio", command: [await compile("handler", ["-static"])] },
    { handoff: "listen", command: [await compile("worker", ["-static"]), "1"] },
    { handoff: "pass", command: [await compile("pass-worker", ["-static"]), "1"] },
  ];
  const tables = ports.map((port, n) => {
    const { handoff, command } = kinds[n % kinds.length] ?? { handoff: "stdio", command: [] };
    return `
[services.s${n}]
listen  = "127.0.0.1:${port}"
handoff = "${handoff}"
command = ${JSON.stringify(command)}
${userInfo().username === "root" ? 'user = "root"' : ""}
`;
  });
  return `[daemon]\ncontrol_socket = "${join(directory, "control.sock")}"\n${tables.join("")}`;
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error("node was not started");
  return pid;
}
