/**
 * What one start of a handler costs, by what its service declares of its surroundings: from the order until the program
 * has been executed, during which the daemon can do nothing else. The floor is a vfork and an exec in C.
 */
import { execFile, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Benchmark, Column, Report, Settings } from "../benchmark.ts";
import { compile } from "../programs.ts";
import { median, quantile, ratio } from "../statistics.ts";
import { rotate } from "../turns.ts";
import { type Context, contextsIn, plain, writeConfiguration } from "./contexts.ts";
import type { Order, Outcome } from "./spawner.ts";

const run = promisify(execFile);

const startsPerTurn = 40;
/** Before each turn, uncounted. */
const warmUpStarts = 5;

interface Contender {
  name: string;
  start(count: number): Promise<Outcome>;
  durationNs: number[];
}

const columns: readonly Column[] = [
  { key: "context", title: "context", digits: null },
  { key: "medianUs", title: "median us", digits: 0 },
  { key: "p95Us", title: "p95 us", digits: 0 },
  { key: "plainRatio", title: `/${plain}`, digits: 2 },
  { key: "floorRatio", title: "/floor", digits: 2 },
];

export const spawn: Benchmark = {
  name: "spawn",
  summary: "one start of a handler, by user, limits, chroot, capabilities, cgroup",
  run: measure,
};

async function measure(settings: Settings): Promise<Report> {
  const program = await compile("handler", ["-static"]);
  const floor = await compile("spawn");
  const directory = mkdtempSync(join(tmpdir(), "tinetd-bench-"));
  const loadBefore = loadavg()[0] ?? 0;
  const root = join(directory, "root");
  const all = contextsIn(root);
  const contexts = process.getuid?.() === 0 ? all : all.slice(0, 1).map((each) => ({ ...each, keys: "" }));
  const conf = writeConfiguration(contexts, program, root);
  const spawner = startSpawner(conf);
  const contenders: Contender[] = [
    { name: "floor (vfork, exec in C)", start: (count) => startInC(floor, count, program), durationNs: [] },
    ...contexts.map(({ name }, n) => ({
      name,
      start: (count: number) => spawner.order({ service: `s${n}`, count }),
      durationNs: [],
    })),
  ];
  let cgroups = false;
  try {
    for (let round = 0; round < settings.rounds; round++) {
      settings.progress(`spawn: round ${round + 1} of ${settings.rounds}`);
      for (const contender of rotate(contenders, round)) {
        settings.interrupted.throwIfAborted();
        await contender.start(warmUpStarts);
        const outcome = await contender.start(startsPerTurn);
        contender.durationNs.push(...outcome.durationNs);
        cgroups ||= outcome.cgroups;
      }
    }
  } finally {
    await spawner.stop();
    rmSync(directory, { recursive: true });
  }
  return report(contenders, absent(all, contexts, cgroups), loadBefore, settings);
}

async function startInC(floor: string, count: number, program: string): Promise<Outcome> {
  const { stdout } = await run(floor, [`${count}`, program]);
  return { durationNs: JSON.parse(stdout) as number[], cgroups: false };
}

interface Spawner {
  /** One order at a time. Rejects when the process has ended. */
  order(order: Order): Promise<Outcome>;
  stop(): Promise<void>;
}

function startSpawner(conf: string): Spawner {
  const child = fork(fileURLToPath(new URL("spawner.ts", import.meta.url)), [conf]);
  const exited = once(child, "exit");
  const gone = exited.then((): never => {
    throw new Error("the process that starts handlers has ended");
  });
  gone.catch(() => {}); // told to whoever has given an order
  return {
    async order(order) {
      const answered = once(child, "message") as Promise<[Outcome]>;
      child.send(order);
      const [outcome] = await Promise.race([answered, gone]);
      return outcome;
    },
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

function absent(all: readonly Context[], measured: readonly Context[], cgroups: boolean): string[] {
  const left = all.filter(({ name }) => !measured.some((each) => each.name === name));
  return [
    ...(left.length > 0 ? [`only for root: ${left.map(({ name }) => name).join(", ")}`] : []),
    ...(cgroups || left.length > 0 ? [] : ["there is no cgroup v2 for us: trees are found by descent"]),
  ];
}

function report(
  contenders: readonly Contender[],
  absent: readonly string[],
  loadBefore: number,
  settings: Settings,
): Report {
  const medianOf = (wanted: number) => median(contenders[wanted]?.durationNs ?? []);
  const rows = contenders.map(({ name, durationNs }) => {
    const middle = median(durationNs);
    return [
      name,
      microseconds(middle),
      microseconds(quantile(durationNs, 0.95)),
      ratio(middle, medianOf(1)),
      ratio(middle, medianOf(0)),
    ];
  });
  return {
    title: "spawn: from the order to start a static C program until it has been executed",
    columns,
    rows,
    notes: [
      `${settings.rounds} x ${startsPerTurn} starts each, one after the other`,
      `load of the machine before: ${loadBefore.toFixed(1)} on ${availableParallelism()} cores`,
      ...absent,
    ],
  };
}

function microseconds(nanoseconds: number | null): number | null {
  return nanoseconds === null ? null : nanoseconds / 1e3;
}
