/**
 * The handoff that every super-server knows, one process per connection: how long until a client reads the first
 * byte, and how many connections a second get through, beside a bare C loop of accept, vfork and exec (the floor).
 *
 * All servers run for the whole time and take turns, a few hundred connections each; the order rotates. Whatever
 * else the machine does then hits all alike, and the ratios hold where the figures themselves do not.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import type { Benchmark, Column, Report, Settings } from "../benchmark.ts";
import { firstBytes, rate } from "../clients.ts";
import { compile } from "../programs.ts";
import { freePort, type Server, startServer } from "../server.ts";
import { median, milliseconds, quantile, ratio } from "../statistics.ts";
import { rotate } from "../turns.ts";
import { type Peer, peers } from "./peers.ts";

/** Connections for the first byte, one after the other, in one turn; fewer where that takes longer than the turn. */
const connectionsPerTurn = 60;
/** Before each turn, uncounted: the caches are the server's own then. */
const warmUpConnections = 10;
const clients = 8;

interface Contender {
  name: string;
  server: Server;
  firstByteNs: number[];
  /** Connections per second, one figure per turn. */
  rates: number[];
  errors: number;
}

const columns: readonly Column[] = [
  { key: "server", title: "server", digits: null },
  { key: "firstByteMs", title: "median ms", digits: 3 },
  { key: "firstByteP95Ms", title: "p95 ms", digits: 3 },
  { key: "firstByteRatio", title: "/floor", digits: 2 },
  { key: "connectionsPerSecond", title: "conn/s", digits: 0 },
  { key: "rateRatio", title: "/floor", digits: 2 },
  { key: "errors", title: "errors", digits: 0 },
];

export const stdio: Benchmark = {
  name: "stdio",
  summary: "a process per connection: first byte and rate, beside the other super-servers",
  run: measure,
};

async function measure(settings: Settings): Promise<Report> {
  const handler = await compile("handler", ["-static"]);
  const client = await compile("client");
  const floor = await compile("floor");
  const directory = mkdtempSync(join(tmpdir(), "tinetd-bench-"));
  const loadBefore = loadavg()[0] ?? 0;
  const contenders: Contender[] = [];
  const absent: string[] = [];
  try {
    contenders.push(await contend("floor (bare C loop)", startFloor(floor, handler, directory)));
    for (const peer of peers) {
      const program = peer.find();
      if (program === null) absent.push(peer.name);
      else contenders.push(await contend(peer.name, startPeer(peer, program, handler, directory)));
    }
    for (let round = 0; round < settings.rounds; round++) {
      settings.progress(`stdio: round ${round + 1} of ${settings.rounds}`);
      for (const contender of rotate(contenders, round)) {
        settings.interrupted.throwIfAborted();
        await takeTurn(contender, client, settings.seconds);
      }
    }
  } finally {
    await Promise.all(contenders.map((contender) => contender.server.stop()));
    rmSync(directory, { recursive: true });
  }
  return report(contenders, absent, loadBefore, settings);
}

async function contend(name: string, starting: Promise<Server>): Promise<Contender> {
  return { name, server: await starting, firstByteNs: [], rates: [], errors: 0 };
}

async function startFloor(floor: string, handler: string, parent: string): Promise<Server> {
  const port = await freePort();
  return startServer(
    { file: floor, args: [`${port}`, handler], errorFile: join(parent, "floor.stderr") },
    port,
  );
}

async function startPeer(peer: Peer, program: string, handler: string, parent: string): Promise<Server> {
  const directory = join(parent, peer.name.replaceAll(/\W+/g, "-"));
  mkdirSync(directory);
  const port = await freePort();
  const launch = peer.launch(program, { handler, port, directory });
  return startServer({ ...launch, errorFile: join(directory, "stderr") }, port);
}

async function takeTurn(contender: Contender, client: string, seconds: number): Promise<void> {
  const { port } = contender.server;
  await firstBytes(client, port, warmUpConnections, seconds);
  const first = await firstBytes(client, port, connectionsPerTurn, seconds);
  const many = await rate(client, port, seconds, clients);
  contender.firstByteNs.push(...first.firstByteNs);
  contender.rates.push(many.perSecond);
  contender.errors += first.errors + many.errors;
}

function report(
  contenders: readonly Contender[],
  absent: readonly string[],
  loadBefore: number,
  settings: Settings,
): Report {
  const floor = contenders[0];
  const floorMedian = median(floor?.firstByteNs ?? []);
  const floorRate = median(floor?.rates ?? []);
  const rows = contenders.map(({ name, firstByteNs, rates, errors }) => {
    const middle = median(firstByteNs);
    const perSecond = median(rates);
    return [
      name,
      milliseconds(middle),
      milliseconds(quantile(firstByteNs, 0.95)),
      ratio(middle, floorMedian),
      perSecond,
      ratio(perSecond, floorRate),
      errors,
    ];
  });
  return {
    title: "stdio: one handler per connection, TCP on loopback, a static C handler",
    columns,
    rows,
    notes: [
      `median, p95: connect to first byte, one client, ${settings.rounds} x ${connectionsPerTurn} connections`,
      `conn/s: ${clients} clients at a time, median of ${settings.rounds} x ${settings.seconds} s`,
      `load of the machine before: ${loadBefore.toFixed(1)} on ${availableParallelism()} cores`,
      ...(absent.length > 0 ? [`absent: ${absent.join(", ")}`] : []),
    ],
  };
}
