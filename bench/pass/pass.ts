/**
 * `pass`: what it costs a client that tinetd accepts it and a resident worker answers, beside super-servers that start
 * the trivial C handler for it, and beside the same worker with a socket of its own, which nobody in between could be
 * faster than. And cold: the client that wakes the worker.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import type { Benchmark, Column, Report, Settings } from "../benchmark.ts";
import { wakes } from "../clients.ts";
import { type Contender, clients, connectionsPerTurn, contend, contest } from "../contest.ts";
import { compile } from "../programs.ts";
import { freePorts } from "../server.ts";
import { median, milliseconds, quantile, ratio } from "../statistics.ts";
import { peers } from "../stdio/peers.ts";
import { alone, type Language, passing, sleeping, type Workers } from "./servers.ts";

const coldStarts = 20;
/** Before each cold start: whoever is to be woken has gone to sleep by then. */
const pauseMs = 20;

/** Those of the stdio benchmark that start a process per connection fastest; ratios are to the best of them here. */
const spawning = ["tcpserver", "tcpsvd", "xinetd"];
/** tinetd by the same handoff, for comparison; not a peer of its own. */
const spawningToo = "tinetd, log = none";

const columns: readonly Column[] = [
  { key: "server", title: "server", digits: null },
  { key: "firstByteMs", title: "median ms", digits: 3 },
  { key: "firstByteP95Ms", title: "p95 ms", digits: 3 },
  { key: "firstByteRatio", title: "/peer", digits: 2 },
  { key: "connectionsPerSecond", title: "conn/s", digits: 0 },
  { key: "rateRatio", title: "/peer", digits: 2 },
  { key: "coldMs", title: "cold ms", digits: 2 },
  { key: "errors", title: "errors", digits: 0 },
];

export const pass: Benchmark = {
  name: "pass",
  summary: "connections passed to a resident worker: first byte and rate, beside a process per connection",
  run: measure,
};

const rowOf = (language: Language) => `pass, ${language === "c" ? "C" : "Node"} worker, log = none`;

async function measure(settings: Settings): Promise<Report> {
  const handler = await compile("handler", ["-static"]);
  const client = await compile("client");
  const workers: Workers = {
    c: await compile("pass-worker", ["-static"]),
    cAlone: await compile("worker", ["-static"]),
  };
  const directory = mkdtempSync(join(tmpdir(), "tinetd-bench-"));
  const loadBefore = loadavg()[0] ?? 0;
  const contenders: Contender[] = [];
  const cold = new Map<string, number | null>();
  try {
    for (const { name, find, launch } of peers) {
      const program = find();
      if (program === null || ![...spawning, spawningToo].includes(name)) continue;
      const row = name === spawningToo ? "tinetd, stdio, log = none" : name;
      contenders.push(
        await contend(row, directory, (port, own) => launch(program, { handler, port, directory: own })),
      );
    }
    contenders.push(
      await contend("pass, C worker", directory, passing(workers, "c", "all")),
      await contend(rowOf("c"), directory, passing(workers, "c", "none")),
      await contend("the C worker by itself", directory, alone(workers, "c")),
      await contend("pass, Node worker", directory, passing(workers, "node", "all")),
      await contend(rowOf("node"), directory, passing(workers, "node", "none")),
      await contend("the Node worker by itself", directory, alone(workers, "node")),
    );
    await contest("pass", contenders, client, settings);
    for (const language of ["c", "node"] as const) {
      settings.interrupted.throwIfAborted();
      settings.progress(`pass: cold starts, ${language}`);
      cold.set(rowOf(language), await coldStart(workers, language, client, directory));
    }
  } finally {
    await Promise.all(contenders.map(({ server }) => server.stop()));
    rmSync(directory, { recursive: true });
  }
  return report(contenders, cold, loadBefore, settings);
}

/** The median in nanoseconds, each at a socket whose worker does not run. */
async function coldStart(
  workers: Workers,
  language: Language,
  client: string,
  directory: string,
): Promise<number | null> {
  const ports = await freePorts(coldStarts);
  const { server } = await contend(`cold ${language}`, directory, sleeping(workers, language, ports));
  try {
    return median((await wakes(client, ports, pauseMs)).firstByteNs);
  } finally {
    await server.stop();
  }
}

function report(
  contenders: readonly Contender[],
  cold: ReadonlyMap<string, number | null>,
  loadBefore: number,
  settings: Settings,
): Report {
  const rivals = contenders.filter(({ name }) => spawning.includes(name));
  const medians = rivals.map(({ firstByteNs }) => median(firstByteNs) ?? Number.POSITIVE_INFINITY);
  const rates = rivals.map((rival) => median(rival.rates) ?? 0);
  const bestMedian = rivals.length === 0 ? null : Math.min(...medians);
  const bestRate = rivals.length === 0 ? null : Math.max(...rates);
  const rows = contenders.map(({ name, firstByteNs, rates, errors }) => {
    const middle = median(firstByteNs);
    const perSecond = median(rates);
    return [
      name,
      milliseconds(middle),
      milliseconds(quantile(firstByteNs, 0.95)),
      ratio(middle, bestMedian),
      perSecond,
      ratio(perSecond, bestRate),
      milliseconds(cold.get(name) ?? null),
      errors,
    ];
  });
  const absent = spawning.filter((name) => !rivals.some((rival) => rival.name === name));
  return {
    title: "pass: a resident worker, TCP on loopback, beside a process per connection",
    columns,
    rows,
    notes: [
      `median, p95: connect to first byte, one client, ${settings.rounds} x ${connectionsPerTurn} connections`,
      `/peer: to the best of those that start a process per connection (${spawning.join(", ")})`,
      `conn/s: ${clients} clients at a time, median of ${settings.rounds} x ${settings.seconds} s`,
      `cold: the client that wakes the worker, median of ${coldStarts}`,
      `load of the machine before: ${loadBefore.toFixed(1)} on ${availableParallelism()} cores`,
      ...(absent.length > 0 ? [`absent: ${absent.join(", ")}`] : []),
    ],
  };
}
