/**
 * `proxy`: what it costs a connection to be relayed, beside systemd-socket-proxyd and socat, and beside no relay at all.
 * All run for the whole time and take turns; every one relays to a server of its own, a process per connection.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Benchmark, Column, Report, Settings } from "../benchmark.ts";
import { compile } from "../programs.ts";
import { freePort, startServer } from "../server.ts";
import { median, quantile, ratio } from "../statistics.ts";
import { rotate } from "../turns.ts";
import { relays, socketProxyd, type Task } from "./relays.ts";

const run = promisify(execFile);

/** Messages there and back in one turn; fewer where that takes longer than the turn. */
const pingsPerTurn = 1_000;
const direct = "no relay";

interface Contender {
  name: string;
  port: number;
  roundTripNs: number[];
  /** Bytes per second, from the server and to it; connections per second; one figure per turn. */
  pulled: number[];
  pushed: number[];
  opened: number[];
}

const columns: readonly Column[] = [
  { key: "relay", title: "relay", digits: null },
  { key: "roundTripUs", title: "rtt us", digits: 1 },
  { key: "roundTripP95Us", title: "p95 us", digits: 1 },
  { key: "addedUs", title: "added us", digits: 1 },
  { key: "addedRatio", title: "/proxyd", digits: 2 },
  { key: "pullGbPerSecond", title: "pull GB/s", digits: 2 },
  { key: "pullRatio", title: "/proxyd", digits: 2 },
  { key: "pushGbPerSecond", title: "push GB/s", digits: 2 },
  { key: "pushRatio", title: "/proxyd", digits: 2 },
  { key: "connectionsPerSecond", title: "conn/s", digits: 0 },
];

export const proxy: Benchmark = {
  name: "proxy",
  summary: "relayed connections: round trip, throughput and rate, beside systemd-socket-proxyd and socat",
  run: measure,
};

async function measure(settings: Settings): Promise<Report> {
  const program = await compile("stream");
  const directory = mkdtempSync(join(tmpdir(), "tinetd-bench-"));
  const loadBefore = loadavg()[0] ?? 0;
  const stops: (() => Promise<void>)[] = [];
  const contenders: Contender[] = [];
  const absent: string[] = [];
  const ended = new Set<string>();
  const serve = async (port: number) => {
    const errorFile = join(directory, "stderr");
    const server = await startServer({ file: program, args: ["serve", `${port}`], errorFile }, port);
    stops.push(() => server.stop());
  };
  try {
    const own = await freePort();
    await serve(own);
    contenders.push(contender(direct, own));
    for (const peer of relays) {
      const programs = peer.find();
      if (programs === null) {
        absent.push(peer.name);
        continue;
      }
      const place = join(directory, peer.name);
      mkdirSync(place);
      const task: Task = {
        port: await freePort(),
        upstream: await freePort(),
        server: program,
        directory: place,
      };
      if (!peer.starts) await serve(task.upstream);
      const launch = { ...peer.launch(programs, task), errorFile: join(place, "stderr") };
      const relay = await startServer(launch, task.port);
      stops.push(() => relay.stop());
      contenders.push(contender(peer.name, task.port));
    }
    for (let round = 0; round < settings.rounds; round++) {
      settings.progress(`proxy: round ${round + 1} of ${settings.rounds}`);
      for (const each of rotate(contenders, round)) {
        settings.interrupted.throwIfAborted();
        if (ended.has(each.name)) continue;
        try {
          await takeTurn(each, program, settings.seconds);
        } catch (error) {
          // systemd-socket-proxyd 252 dies by SIGPIPE now and then, when a client goes that it is sending to.
          if (each.name !== socketProxyd || each.opened.length === 0) throw error;
          ended.add(each.name);
        }
      }
    }
  } finally {
    // The servers last: they are what the relays hold on to.
    for (const stop of stops.reverse()) await stop();
    rmSync(directory, { recursive: true });
  }
  return report(contenders, absent, loadBefore, settings, ended);
}

function contender(name: string, port: number): Contender {
  return { name, port, roundTripNs: [], pulled: [], pushed: [], opened: [] };
}

async function takeTurn(contender: Contender, program: string, seconds: number): Promise<void> {
  const ask = async (...args: (string | number)[]): Promise<unknown> =>
    JSON.parse((await run(program, [contender.port, ...args].map(String), { maxBuffer: 1 << 24 })).stdout);
  // Uncounted: it wakes the server that is to be started.
  await ask("ping", 20, seconds);
  const { ns } = (await ask("ping", pingsPerTurn, seconds)) as { ns: number[] };
  const pulled = (await ask("pull", seconds)) as { bytesPerSecond: number };
  const pushed = (await ask("push", seconds)) as { bytesPerSecond: number };
  const opened = (await ask("open", seconds)) as { perSecond: number };
  contender.roundTripNs.push(...ns);
  contender.pulled.push(pulled.bytesPerSecond);
  contender.pushed.push(pushed.bytesPerSecond);
  contender.opened.push(opened.perSecond);
}

function report(
  contenders: readonly Contender[],
  absent: readonly string[],
  loadBefore: number,
  settings: Settings,
  ended: ReadonlySet<string>,
): Report {
  const find = (wanted: string) => contenders.find(({ name }) => name === wanted);
  const nothing = median(find(direct)?.roundTripNs ?? []) ?? 0;
  const added = ({ roundTripNs }: Contender) => (median(roundTripNs) ?? 0) - nothing;
  const peer = find(socketProxyd);
  const rows = contenders.map((each) => {
    const { name, roundTripNs, pulled, pushed, opened } = each;
    const isRelay = name !== direct;
    return [
      name,
      (median(roundTripNs) ?? 0) / 1e3,
      (quantile(roundTripNs, 0.95) ?? 0) / 1e3,
      isRelay ? added(each) / 1e3 : null,
      isRelay && peer !== undefined ? ratio(added(each), added(peer)) : null,
      (median(pulled) ?? 0) / 1e9,
      ratio(median(pulled), median(peer?.pulled ?? [])),
      (median(pushed) ?? 0) / 1e9,
      ratio(median(pushed), median(peer?.pushed ?? [])),
      median(opened),
    ];
  });
  return {
    title: "proxy: TCP on loopback to TCP on loopback, one connection at a time",
    columns,
    rows,
    notes: [
      `rtt: 64 bytes there and back, ${settings.rounds} x ${pingsPerTurn}; added: to what it takes without a relay`,
      `pull, push: from the server and to it, median of ${settings.rounds} x ${settings.seconds} s`,
      `conn/s: connect, 64 bytes there and back, orderly end, one after the other`,
      `load of the machine before: ${loadBefore.toFixed(1)} on ${availableParallelism()} cores`,
      ...[...ended].map((name) => `${name} has ended before the last turn: its figures are of fewer`),
      ...(absent.length > 0 ? [`absent: ${absent.join(", ")}`] : []),
    ],
  };
}
