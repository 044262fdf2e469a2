/**
 * What it costs tinetd to know of connections that it does not hold: one look at thousands (sock_diag), and the
 * announcements of ends, which the kernel makes of every TCP socket of the machine.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Benchmark, Column, Report, Settings } from "../benchmark.ts";
import { firstBytes, rate } from "../clients.ts";
import { usageOf } from "../process.ts";
import { compile, tinetdMain } from "../programs.ts";
import { freePort, type Server, startServer } from "../server.ts";
import { median, milliseconds, quantile, ratio } from "../statistics.ts";
import { type Crowd, gather } from "./crowd.ts";

const connections = 5_000;
/** Looks at them, in one round. */
const looksPerRound = 10;
const clients = 8;

const columns: readonly Column[] = [
  { key: "what", title: "what", digits: null },
  { key: "medianMs", title: "median ms", digits: 2 },
  { key: "p95Ms", title: "p95 ms", digits: 2 },
  { key: "endsPerSecond", title: "ends/s", digits: 0 },
  { key: "rateRatio", title: "/without", digits: 2 },
  { key: "cpuPercent", title: "tinetd CPU %", digits: 2 },
];

export const sampling: Benchmark = {
  name: "sampling",
  summary: "knowing of connections that others hold: a look at 5,000, and the ends of others' sockets",
  run: measure,
};

async function measure(settings: Settings): Promise<Report> {
  const loadBefore = loadavg()[0] ?? 0;
  const looks = lookAtMany(settings);
  const ends = await watchEnds(settings);
  return {
    title: `sampling: ${connections} connections that others hold`,
    columns,
    rows: [...looks, ...ends],
    notes: [
      `a look: ${settings.rounds} x ${looksPerRound}, in this process, with tinetd's own code`,
      `ends: of sockets that are no service's, ${clients} clients at a time, median of ${settings.rounds} x ${settings.seconds} s;`,
      "/without: to the rate where no tinetd runs",
      `load of the machine before: ${loadBefore.toFixed(1)} on ${availableParallelism()} cores`,
    ],
  };
}

function lookAtMany({ rounds, interrupted, progress }: Settings): (string | number | null)[][] {
  progress(`sampling: ${connections} connections`);
  using crowd = gather(connections);
  const kinds: { what: string; look(crowd: Crowd): number }[] = [
    { what: "count who is connected (listen, wait)", look: (all) => all.count() },
    { what: "what each has carried (stdio, idle_timeout)", look: (all) => all.sample() },
    { what: "count, all of them at others' ports", look: (all) => all.countElsewhere() },
  ];
  const took = new Map<string, number[]>(kinds.map(({ what }) => [what, []]));
  for (let round = 0; round < rounds; round++) {
    interrupted.throwIfAborted();
    for (const { what, look } of kinds) {
      for (let n = 0; n < looksPerRound; n++) took.get(what)?.push(look(crowd));
    }
  }
  return [...took].map(([what, ns]) => [
    what,
    milliseconds(median(ns)),
    milliseconds(quantile(ns, 0.95)),
    null,
    null,
    null,
  ]);
}

/** A server that is nothing to tinetd makes and ends connections as fast as it can, with tinetd beside it and without. */
async function watchEnds(settings: Settings): Promise<(string | number | null)[][]> {
  const client = await compile("client");
  const worker = await compile("worker", ["-static"]);
  const directory = mkdtempSync(join(tmpdir(), "tinetd-bench-"));
  const without: number[] = [];
  const beside: number[] = [];
  const cpu: number[] = [];
  const port = await freePort();
  const stranger = await startServer(
    { file: worker, args: ["0", `${port}`], errorFile: join(directory, "stderr") },
    port,
  );
  try {
    for (let round = 0; round < settings.rounds; round++) {
      settings.interrupted.throwIfAborted();
      settings.progress(`sampling: ends, round ${round + 1} of ${settings.rounds}`);
      without.push((await rate(client, port, settings.seconds, clients)).perSecond);
      const tinetd = await startTinetd(directory);
      try {
        // From its own first connection on it has a port to be told of.
        await firstBytes(client, tinetd.port, 1, settings.seconds);
        const before = usageOf(tinetd.pid);
        beside.push((await rate(client, port, settings.seconds, clients)).perSecond);
        cpu.push((usageOf(tinetd.pid).cpuNs - before.cpuNs) / 1e7 / settings.seconds);
      } finally {
        await tinetd.stop();
      }
    }
  } finally {
    await stranger.stop();
    rmSync(directory, { recursive: true });
  }
  const [rateWithout, rateBeside] = [median(without), median(beside)];
  return [
    ["others' sockets end, no tinetd", null, null, rateWithout, 1, null],
    [
      "others' sockets end, tinetd beside",
      null,
      null,
      rateBeside,
      ratio(rateBeside, rateWithout),
      median(cpu),
    ],
  ];
}

async function startTinetd(directory: string): Promise<Server> {
  const port = await freePort();
  const conf = join(directory, "inetd.toml");
  writeFileSync(
    conf,
    `[daemon]
control_socket = "${join(directory, "control.sock")}"
[services.bench]
listen  = "127.0.0.1:${port}"
command = ["${await compile("handler", ["-static"])}"]
${userInfo().username === "root" ? 'user = "root"' : ""}
`,
    { mode: 0o644 },
  );
  const args = [tinetdMain, "run", "--config", conf];
  return startServer({ file: process.execPath, args, errorFile: join(directory, "stderr") }, port);
}
