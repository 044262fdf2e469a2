/** How long callers at the control socket wait for an answer while tinetd does what it is there for. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { availableParallelism, loadavg, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import type { Benchmark, Column, Report, Settings } from "../benchmark.ts";
import { firstBytes, pace } from "../clients.ts";
import { compile, tinetdMain } from "../programs.ts";
import { freePort, type Server, startServer } from "../server.ts";
import { median, quantile } from "../statistics.ts";
import { rotate } from "../turns.ts";

const services = 100;
const connectionsPerSecond = 2_000;
/** Between two calls, so that these are no load of their own. */
const pauseMs = 10;

const columns: readonly Column[] = [
  { key: "call", title: "call", digits: null },
  { key: "perSecond", title: "conn/s", digits: 0 },
  { key: "medianMs", title: "median ms", digits: 2 },
  { key: "p95Ms", title: "p95 ms", digits: 2 },
  { key: "mostMs", title: "most ms", digits: 2 },
  { key: "kib", title: "KiB", digits: 1 },
  { key: "errors", title: "errors", digits: 0 },
];

export const control: Benchmark = {
  name: "control",
  summary: "answers of the control socket while 2,000 connections a second are passed",
  run: measure,
};

interface Row {
  path: string;
  loaded: boolean;
  tookMs: number[];
  rates: number[];
  bytes: number;
  errors: number;
}

async function measure(settings: Settings): Promise<Report> {
  const loadBefore = loadavg()[0] ?? 0;
  const rows: Row[] = [false, true].flatMap((loaded) =>
    ["/v1/status", "/metrics"].map((path) => ({
      path,
      loaded,
      tookMs: [],
      rates: [],
      bytes: 0,
      errors: 0,
    })),
  );
  const client = await compile("client");
  const directory = mkdtempSync(join(tmpdir(), "tinetd-bench-"));
  const socket = join(directory, "control.sock");
  const tinetd = await startTinetd(directory, socket);
  try {
    await firstBytes(client, tinetd.port, 100, settings.seconds);
    for (let round = 0; round < settings.rounds; round++) {
      settings.progress(`control: round ${round + 1} of ${settings.rounds}`);
      for (const row of rotate(rows, round)) {
        settings.interrupted.throwIfAborted();
        await takeTurn(row, client, tinetd.port, socket, settings.seconds);
      }
    }
  } finally {
    await tinetd.stop();
    rmSync(directory, { recursive: true });
  }
  return {
    title: `control: ${services} services, one of which is used`,
    columns,
    rows: rows.map(({ path, loaded, tookMs, rates, bytes, errors }) => [
      `GET ${path}${loaded ? ", under load" : ""}`,
      median(rates),
      median(tookMs),
      quantile(tookMs, 0.95),
      quantile(tookMs, 1),
      bytes / 1024,
      errors,
    ]),
    notes: [
      `${rows[0]?.tookMs.length ?? 0} calls and more of each, in ${settings.rounds} turns of ${settings.seconds} s`,
      `load of the machine before: ${loadBefore.toFixed(1)} on ${availableParallelism()} cores`,
    ],
  };
}

/** Calls for as long as the turn takes. */
async function takeTurn(
  row: Row,
  client: string,
  port: number,
  socket: string,
  seconds: number,
): Promise<void> {
  const load = row.loaded ? pace(client, port, seconds, connectionsPerSecond) : delay(seconds * 1000);
  let over = false;
  const ended = load.then((result) => {
    over = true;
    if (result === undefined) return;
    row.rates.push(result.perSecond);
    row.errors += result.errors;
  });
  while (!over) {
    const start = performance.now();
    const answer = await call(socket, row.path);
    const tookMs = performance.now() - start;
    if (!over) row.tookMs.push(tookMs);
    if (!answer.startsWith("HTTP/1.1 200")) row.errors += 1;
    row.bytes = answer.length;
    await delay(pauseMs);
  }
  await ended;
}

function call(socket: string, path: string): Promise<string> {
  const connection = connect(socket);
  connection.write(`GET ${path} HTTP/1.1\r\nHost: tinetd\r\n\r\n`);
  return text(connection);
}

async function startTinetd(directory: string, socket: string): Promise<Server> {
  const port = await freePort();
  const conf = join(directory, "inetd.toml");
  const user = userInfo().username === "root" ? 'user = "root"' : "";
  const worker = JSON.stringify([await compile("pass-worker"), "0"]);
  const used = `[services.used]\nlisten = "127.0.0.1:${port}"\nhandoff = "pass"\nlog = "none"\ncommand = ${worker}\n${user}\n`;
  const unused = Array.from(
    { length: services - 1 },
    (_, n) => `[services.s${n}]\nlisten = "127.0.0.1:0"\ncommand = "true"\n${user}\n`,
  );
  const text = `[daemon]\ncontrol_socket = "${socket}"\n${used}${unused.join("")}`;
  writeFileSync(conf, text, { mode: 0o644 });
  const args = [tinetdMain, "run", "--config", conf];
  return startServer({ file: process.execPath, args, errorFile: join(directory, "stderr") }, port);
}
