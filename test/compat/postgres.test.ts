/** PostgreSQL through `proxy`: woken by the first client, stopped when nobody is there, data intact, also after a kill. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { connect } from "../e2e/rig/client.ts";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { needs, pathOf, program } from "../e2e/rig/needs.ts";
import type { Rig } from "../e2e/rig/rig.ts";
import { documented } from "./documented.ts";
import { giveToHandlers, nobody } from "./files.ts";
import { expectNobodyLost, idleStopped } from "./proxied.ts";
import { succeed } from "./run.ts";

const programs = "/usr/lib/postgresql/15/bin";
const possible = needs(program(`${programs}/postgres`), program("psql"), program("setpriv"));

possible("is woken, keeps its data over being stopped and killed, and serves a crowd", async () => {
  await using rig = await startPostgres();
  await query(rig, "create table visits (n int)");
  const first = await idleStopped(rig);

  // So that it is there to be killed, however long the crowd takes.
  const holding = await connect(await rig.port("postgres"));
  await Promise.all(Array.from({ length: 12 }, (_, n) => query(rig, `insert into visits values (${n})`)));
  const { pid } = await rig.event("handler.started", {}, { after: first });
  process.kill(pid, "SIGKILL");
  holding.reset();
  const killed = await rig.event("handler.exited", { pid });
  // Its next start is a recovery.
  expect(await query(rig, "select count(*), sum(n) from visits")).toBe("12|66\n");
  await idleStopped(rig, killed);
  await expectNobodyLost(rig, 3);
});

possible("a large answer arrives whole, and so does an error", async () => {
  await using rig = await startPostgres();
  const rows = await query(rig, "select repeat('x', 1000) from generate_series(1, 20000)");
  expect(rows).toBe(`${"x".repeat(1000)}\n`.repeat(20_000));
  const tooLong = query(rig, "set statement_timeout = 200; select pg_sleep(60)");
  await expect(tooLong).rejects.toThrow("statement timeout");
});

function startPostgres(): Promise<Rig> {
  return startDaemon(({ directory }) => {
    const data = join(directory, "data");
    mkdirSync(data, { mode: 0o700 });
    giveToHandlers(data, nobody);
    const [file = "", ...args] = asHandler([
      `${programs}/initdb`,
      `--pgdata=${data}`,
      "--username=nobody",
      "--auth=trust",
      "--locale=C",
      "--no-sync",
    ]);
    execFileSync(file, args, { stdio: "ignore", cwd: directory });
    if (!existsSync(join(data, "PG_VERSION"))) throw new Error("initdb has made nothing");
    return documented("postgres", {
      "127.0.0.1:5432": "127.0.0.1:0",
      "/var/lib/postgresql/15/main": data,
      "/run/postgres-tinetd": join(directory, "run"),
      '"postgres"': '"nobody"',
      '"10m"': '"500ms"',
    });
  });
}

/** initdb refuses to run as root. */
function asHandler(command: string[]): string[] {
  if (process.getuid?.() !== 0) return command;
  return [pathOf("setpriv"), `--reuid=${nobody.uid}`, `--regid=${nobody.gid}`, "--clear-groups", ...command];
}

async function query(rig: Rig, statement: string): Promise<string> {
  const target = ["--host=127.0.0.1", `--port=${await rig.port("postgres")}`, "--username=nobody"];
  const options = ["--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--dbname=postgres"];
  return (await succeed(pathOf("psql"), [...target, ...options, `--command=${statement}`])).toString();
}
