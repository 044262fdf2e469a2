/**
 * The handoff that every super-server knows, one process per connection: how long until a client reads the first
 * byte, and how many connections a second get through, beside a bare C loop of accept, vfork and exec (the floor).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import type { Benchmark, Column, Report, Settings } from "../benchmark.ts";
import { type Contender, clients, connectionsPerTurn, contend, contest } from "../contest.ts";
import { compile } from "../programs.ts";
import { median, milliseconds, quantile, ratio } from "../statistics.ts";
import { peers } from "./peers.ts";

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
    contenders.push(
      await contend("floor (bare C loop)", directory, (port) => ({
        file: floor,
        args: [`${port}`, handler],
      })),
    );
    for (const peer of peers) {
      const program = peer.find();
      if (program === null) absent.push(peer.name);
      else {
        contenders.push(
          await contend(peer.name, directory, (port, own) =>
            peer.launch(program, { handler, port, directory: own }),
          ),
        );
      }
    }
    await contest("stdio", contenders, client, settings);
  } finally {
    await Promise.all(contenders.map((contender) => contender.server.stop()));
    rmSync(directory, { recursive: true });
  }
  return report(contenders, absent, loadBefore, settings);
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
