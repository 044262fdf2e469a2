/**
 * What a thousand services cost: until the daemon is there, in memory, and when one more is declared and the rest is as
 * it was. Beside tinetd the super-servers that can read their configuration again.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Benchmark, Column, Report, Settings } from "../benchmark.ts";
import { memoryOf, usageOf } from "../process.ts";
import { compile } from "../programs.ts";
import { freePorts } from "../server.ts";
import { median, quantile } from "../statistics.ts";
import { rotate } from "../turns.ts";
import { type ReloadableServer, reloadableServers, type Task, writeConfiguration } from "./servers.ts";

const services = 1_000;
/** V8 cleans up once, about 8 seconds after the last work. */
const settleMs = 14_000;
const timeoutMs = 20_000;

const columns: readonly Column[] = [
  { key: "server", title: "server", digits: null },
  { key: "startMs", title: "start ms", digits: 0 },
  { key: "reloadMs", title: "reload ms", digits: 0 },
  { key: "reloadP95Ms", title: "p95 ms", digits: 0 },
  { key: "cpuMs", title: "CPU ms", digits: 0 },
  { key: "heldMs", title: "held ms", digits: 0 },
  { key: "heldP95Ms", title: "p95 ms", digits: 0 },
  { key: "kibPerService", title: "KiB/service", digits: 1 },
];

export const reload: Benchmark = {
  name: "reload",
  summary: "a thousand services: the start, their memory, and a reload that adds one",
  run: measure,
};

/** One of the servers, with what was measured of it. */
interface Contestant {
  server: ReloadableServer;
  program: string;
  task: Task;
  startMs: number[];
  reloadMs: number[];
  cpuMs: number[];
  heldMs: number[];
  kibPerService: number | null;
}

interface Running {
  pid: number;
  stop(): Promise<void>;
}

async function measure(settings: Settings): Promise<Report> {
  const { rounds, progress, interrupted } = settings;
  const loadBefore = loadavg()[0] ?? 0;
  const handler = await compile("handler", ["-static"]);
  const base = mkdtempSync(join(tmpdir(), "tinetd-bench-"));
  const absent = reloadableServers.filter((server) => server.find() === null).map(({ name }) => name);
  // All at once, so that no two servers want the same.
  const ports = await freePorts(reloadableServers.length * (services + 1));
  const contestants = reloadableServers.flatMap((server): Contestant[] => {
    const program = server.find();
    if (program === null) return [];
    const directory = join(base, server.name);
    mkdirSync(directory);
    const task = { handler, ports: ports.splice(0, services + 1), directory };
    return [{ server, program, task, startMs: [], reloadMs: [], cpuMs: [], heldMs: [], kibPerService: null }];
  });
  try {
    progress("reload: memory");
    await Promise.all(contestants.map((contestant) => weigh(contestant, interrupted)));
    for (let round = 0; round < rounds; round++) {
      progress(`reload: round ${round + 1} of ${rounds}`);
      for (const contestant of rotate(contestants, round)) {
        interrupted.throwIfAborted();
        await takeTurn(contestant);
      }
    }
  } finally {
    rmSync(base, { recursive: true });
  }
  return {
    title: `reload: ${services} services, and one more`,
    columns,
    rows: contestants.map(({ server, startMs, reloadMs, cpuMs, heldMs, kibPerService }) => [
      server.name,
      median(startMs),
      median(reloadMs),
      quantile(reloadMs, 0.95),
      median(cpuMs),
      median(heldMs),
      quantile(heldMs, 0.95),
      kibPerService,
    ]),
    notes: [
      `${rounds} starts of each with two reloads, the first and one that follows`,
      `load of the machine before: ${loadBefore.toFixed(1)} on ${availableParallelism()} cores`,
      ...(absent.length > 0 ? [`not on this machine: ${absent.join(", ")}`] : []),
    ],
  };
}

/** What a service adds to the memory that nobody shares, from one with a thousand and one with a single service. */
async function weigh(contestant: Contestant, interrupted: AbortSignal): Promise<void> {
  const { task } = contestant;
  const sizes: number[] = [];
  for (const count of [1, services]) {
    const running = await start(contestant, { ...task, ports: task.ports.slice(0, count) });
    try {
      await delay(settleMs, undefined, { signal: interrupted });
      sizes.push(memoryOf(running.pid).privateDirtyKb);
    } finally {
      await running.stop();
    }
  }
  const [one = 0, all = 0] = sizes;
  contestant.kibPerService = (all - one) / (services - 1);
}

async function takeTurn(contestant: Contestant): Promise<void> {
  const { server, task } = contestant;
  const [added = 0, ...rest] = task.ports;
  const before = performance.now();
  const running = await start(contestant, { ...task, ports: rest });
  contestant.startMs.push(performance.now() - before);
  try {
    for (const ports of [task.ports, rest, task.ports]) {
      writeConfiguration(server, { ...task, ports });
      const isThere = ports.includes(added);
      const measured = await reloaded(running.pid, rest[0] ?? 0, () => answers(added), isThere);
      if (!isThere) continue;
      contestant.reloadMs.push(measured.tookMs);
      contestant.cpuMs.push(measured.cpuMs);
      contestant.heldMs.push(measured.heldMs);
    }
  } finally {
    await running.stop();
  }
}

/** Sends SIGHUP and waits until the port that is added or removed answers, or not; others come to another meanwhile. */
async function reloaded(
  pid: number,
  other: number,
  isThere: () => Promise<boolean>,
  wanted: boolean,
): Promise<{ tookMs: number; cpuMs: number; heldMs: number }> {
  let done = false;
  const held = longestWait(other, () => done);
  const { cpuNs } = usageOf(pid);
  const start = performance.now();
  process.kill(pid, "SIGHUP");
  try {
    await until(async () => (await isThere()) === wanted);
  } finally {
    done = true;
  }
  const tookMs = performance.now() - start;
  return { tookMs, cpuMs: (usageOf(pid).cpuNs - cpuNs) / 1e6, heldMs: await held };
}

/** Of clients that come one after the other until it is over: from before `connect` to the end. */
async function longestWait(port: number, isOver: () => boolean): Promise<number> {
  let longest = 0;
  while (!isOver()) {
    const start = performance.now();
    await answers(port);
    longest = Math.max(longest, performance.now() - start);
    await delay(1);
  }
  return longest;
}

async function start({ server, program }: Contestant, task: Task): Promise<Running> {
  writeConfiguration(server, task);
  const { file, args } = server.launch(program, task.directory);
  const errors = openSync(join(task.directory, "stderr"), "a");
  const child = spawn(file, args, { stdio: ["ignore", "ignore", errors] });
  closeSync(errors);
  const ended = once(child, "exit");
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await ended;
  };
  try {
    // They bind in the order of the file.
    for (const port of [task.ports.at(-1) ?? 0, task.ports[0] ?? 0]) await until(() => answers(port));
  } catch (error) {
    await stop();
    throw error;
  }
  if (child.pid === undefined) throw new Error(`${file} was not started`);
  return { pid: child.pid, stop };
}

/** Whether somebody listens there and answers. */
async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return new Promise((resolve) => {
    let bytes = 0;
    socket
      .on("data", (data) => {
        bytes += data.length;
      })
      .on("error", () => {})
      .on("close", () => resolve(bytes > 0));
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms`);
    await delay(1);
  }
}
