/**
 * `listen`, the handoff of sd_listen_fds(3): what it costs to be the client that wakes a worker (cold), beside
 * systemd-socket-activate, and to be any other (warm), beside the same worker with a socket of its own.
 *
 * Every cold start is one: its worker ends after one client, and each turn goes through sockets at which nothing runs.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Benchmark, Column, Report, Settings } from "../benchmark.ts";
import { firstBytes, rate, wakes } from "../clients.ts";
import { compile, findProgram } from "../programs.ts";
import { freePort, startServer } from "../server.ts";
import { median, milliseconds, quantile, ratio } from "../statistics.ts";
import { rotate } from "../turns.ts";
import { type Sleepers, startSocketActivates, startTinetd } from "./servers.ts";

const coldStartsPerTurn = 12;
/** Between two cold starts of a turn, and before the first: whoever is to be woken has gone to sleep by then. */
const pauseMs = 10;
const connectionsPerTurn = 100;
/** Before each warm turn, uncounted; the first of all wakes the worker. */
const warmUpConnections = 10;
const clients = 8;

interface Contender {
  name: string;
  /** `null`: has no cold start. */
  sleepers: (() => Promise<Sleepers>) | null;
  /** Where a worker runs. */
  warmPort: number;
  coldNs: number[];
  warmNs: number[];
  /** Connections per second, one figure per turn. */
  rates: number[];
  errors: number;
}

const columns: readonly Column[] = [
  { key: "server", title: "who listens", digits: null },
  { key: "coldMs", title: "cold ms", digits: 3 },
  { key: "coldP95Ms", title: "p95 ms", digits: 3 },
  { key: "coldRatio", title: "/sd-s-a", digits: 2 },
  { key: "warmMs", title: "warm ms", digits: 3 },
  { key: "warmRatio", title: "/itself", digits: 2 },
  { key: "connectionsPerSecond", title: "conn/s", digits: 0 },
  { key: "rateRatio", title: "/itself", digits: 2 },
  { key: "errors", title: "errors", digits: 0 },
];

export const listen: Benchmark = {
  name: "listen",
  summary: "a worker that accepts by itself: cold start beside systemd-socket-activate, and warm",
  run: measure,
};

const itself = "the worker itself";
const peer = "systemd-socket-activate";

async function measure(settings: Settings): Promise<Report> {
  const worker = await compile("worker", ["-static"]);
  const client = await compile("client");
  const directory = mkdtempSync(join(tmpdir(), "tinetd-bench-"));
  const errorFile = join(directory, "stderr");
  const loadBefore = loadavg()[0] ?? 0;
  const activate = findProgram(peer);
  const contenders: Contender[] = [];
  const stops: (() => Promise<void>)[] = [];
  try {
    const port = await freePort();
    const own = await startServer({ file: worker, args: ["0", `${port}`], errorFile }, port);
    stops.push(() => own.stop());
    contenders.push(contender(itself, null, port));
    if (activate !== null) {
      const start = (count: number, clients: number) =>
        startSocketActivates(activate, worker, count, clients, errorFile);
      const warm = await start(1, 0);
      stops.push(() => warm.stop());
      contenders.push(contender(peer, () => start(coldStartsPerTurn, 1), warm.ports[0] ?? 0));
    }
    for (const [name, log] of [
      ["tinetd", "all"],
      ["tinetd, log = none", "none"],
    ] as const) {
      const place = join(directory, `tinetd-${log}`);
      const { warmPort, sleepers } = await startTinetd(worker, coldStartsPerTurn, log, place);
      stops.push(() => sleepers.stop());
      const stay = { ports: sleepers.ports, stop: async () => {} };
      contenders.push(contender(name, async () => stay, warmPort));
    }
    for (let round = 0; round < settings.rounds; round++) {
      settings.progress(`listen: round ${round + 1} of ${settings.rounds}`);
      for (const each of rotate(contenders, round)) {
        settings.interrupted.throwIfAborted();
        await takeColdTurn(each, client);
        await takeWarmTurn(each, client, settings.seconds);
      }
    }
  } finally {
    await Promise.all(stops.map((stop) => stop()));
    rmSync(directory, { recursive: true });
  }
  return report(contenders, activate === null, loadBefore, settings);
}

function contender(name: string, sleepers: Contender["sleepers"], warmPort: number): Contender {
  return { name, sleepers, warmPort, coldNs: [], warmNs: [], rates: [], errors: 0 };
}

async function takeColdTurn(contender: Contender, client: string): Promise<void> {
  const sleepers = await contender.sleepers?.();
  if (sleepers === undefined) return;
  try {
    // Nobody can be seen to be about to sleep: a moment for whoever has only just begun to listen.
    await delay(pauseMs);
    const cold = await wakes(client, sleepers.ports, pauseMs);
    contender.coldNs.push(...cold.firstByteNs);
    contender.errors += cold.errors;
  } finally {
    await sleepers.stop();
  }
}

async function takeWarmTurn(contender: Contender, client: string, seconds: number): Promise<void> {
  const { warmPort } = contender;
  await firstBytes(client, warmPort, warmUpConnections, seconds);
  const first = await firstBytes(client, warmPort, connectionsPerTurn, seconds);
  const many = await rate(client, warmPort, seconds, clients);
  contender.warmNs.push(...first.firstByteNs);
  contender.rates.push(many.perSecond);
  contender.errors += first.errors + many.errors;
}

function report(
  contenders: readonly Contender[],
  peerIsAbsent: boolean,
  loadBefore: number,
  settings: Settings,
): Report {
  const find = (wanted: string) => contenders.find(({ name }) => name === wanted);
  const coldBase = median(find(peer)?.coldNs ?? []);
  const warmBase = median(find(itself)?.warmNs ?? []);
  const rateBase = median(find(itself)?.rates ?? []);
  const rows = contenders.map(({ name, coldNs, warmNs, rates, errors }) => {
    const cold = median(coldNs);
    const warm = median(warmNs);
    const perSecond = median(rates);
    return [
      name,
      milliseconds(cold),
      milliseconds(quantile(coldNs, 0.95)),
      ratio(cold, coldBase),
      milliseconds(warm),
      ratio(warm, warmBase),
      perSecond,
      ratio(perSecond, rateBase),
      errors,
    ];
  });
  return {
    title: "listen: a static C worker that accepts by itself, TCP on loopback",
    columns,
    rows,
    notes: [
      `cold: connect to first byte of who wakes a worker, ${settings.rounds} x ${coldStartsPerTurn}; /sd-s-a: to systemd-socket-activate`,
      `warm: the same where a worker runs, ${settings.rounds} x ${connectionsPerTurn}; /itself: to a worker that listens by itself`,
      `conn/s: ${clients} clients at a time, median of ${settings.rounds} x ${settings.seconds} s`,
      `load of the machine before: ${loadBefore.toFixed(1)} on ${availableParallelism()} cores`,
      ...(peerIsAbsent ? [`absent: ${peer}`] : []),
    ],
  };
}
