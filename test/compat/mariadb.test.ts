/**
 * MariaDB's server through `listen`, as `examples/mariadb` has it: two sockets of systemd's protocol, READY=1, and a
 * stop in good order when nobody is connected.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { startDaemon } from "../e2e/rig/daemon.ts";
import type { Logged } from "../e2e/rig/event-log.ts";
import { repository } from "../e2e/rig/fixtures.ts";
import { needs, pathOf, program } from "../e2e/rig/needs.ts";
import { eventually } from "../e2e/rig/proc.ts";
import type { Rig } from "../e2e/rig/rig.ts";
import { giveToHandlers, nobody } from "./files.ts";
import { succeed } from "./run.ts";
import { expectIdle } from "./served.ts";

const possible = needs(program("mariadbd"), program("mariadb-install-db"), program("mariadb"));

possible(
  "is started by the first client, stopped when nobody is there, and has its data the next time",
  async () => {
    await using rig = await startExample();
    expectIdle(rig);
    let since: { after?: Logged } = {};
    const newWorker = async () => (await rig.event("handler.ready", {}, since)).pid;
    const gone = async (pid: number) => {
      expect(await rig.event("handler.stopping", {}, since)).toMatchObject({ pid, reason: "idle_timeout" });
      const exited = await rig.event("handler.exited", {}, since);
      expect(exited).toMatchObject({ pid, code: 0, signal: null });
      since = { after: exited };
      await eventually("no process is left", () => rig.descendants().length === 0);
    };

    await query(rig, "unix", "create database shop; create table shop.visit (n int primary key, way text)");
    const first = await newWorker();
    await query(rig, "tcp", "insert into shop.visit values (0, 'first')");
    await gone(first);
    // With what the first start opens for good, such as the socket for notifications.
    const descriptors = rig.descriptors();

    // A crowd, by both doors, of whom any may be the one that wakes it.
    const crowd = Array.from({ length: 12 }, (_, index) => index + 1);
    const wayOf = (n: number) => (n % 2 === 0 ? "unix" : "tcp");
    await Promise.all(
      crowd.map((n) => query(rig, wayOf(n), `insert into shop.visit values (${n}, 'crowd')`)),
    );
    await gone(await newWorker());
    expect(await query(rig, "tcp", "select count(*), sum(n) from shop.visit")).toBe("13\t78\n");

    // Killed with the connection of a transaction open: what was committed is there after its recovery.
    const third = await newWorker();
    const holding = query(rig, "unix", "begin; delete from shop.visit; select sleep(60)").catch(() => "lost");
    await untilSomebodySleeps(rig);
    process.kill(third, "SIGKILL");
    expect(await holding).toBe("lost");
    since = { after: await rig.event("handler.exited", { pid: third, signal: "SIGKILL" }) };
    expect(await query(rig, "unix", "select count(*), sum(n) from shop.visit")).toBe("13\t78\n");
    await gone(await newWorker());

    const { services } = await rig.status();
    expect(services).toMatchObject([{ state: "listening", spawned: 4, start_failures: 0, handlers: [] }]);
    await eventually("no descriptor is left", () => rig.descriptors() <= descriptors);
  },
);

/** The example's own configuration, but for places, port, user and the length of the idle time. */
function startExample(): Promise<Rig> {
  return startDaemon(({ directory }) => {
    const data = join(directory, "data");
    mkdirSync(data);
    giveToHandlers(data, nobody);
    const setUp = [
      "--no-defaults",
      "--user=nobody",
      "--auth-root-authentication-method=normal",
      "--skip-test-db",
      `--datadir=${data}`,
    ];
    execFileSync(pathOf("mariadb-install-db"), setUp, { stdio: "ignore" });
    const command = [pathOf("mariadbd"), "--no-defaults", `--datadir=${data}`, `--pid-file=${data}/pid`];
    return readFileSync(join(repository, "examples/mariadb/inetd.toml"), "utf8")
      .replaceAll("/run/mysqld", `${directory}/run`)
      .replace("127.0.0.1:3306", "127.0.0.1:0")
      .replace('"/usr/sbin/mariadbd"', JSON.stringify(command))
      .replace('user              = "mysql"\n', "")
      .replace('"10s"', '"1s"');
  });
}

async function query(rig: Rig, way: "unix" | "tcp", statement: string): Promise<string> {
  const target =
    way === "unix"
      ? ["--protocol=socket", `--socket=${rig.directory}/run/mysqld.sock`]
      : ["--protocol=tcp", "--host=127.0.0.1", `--port=${await rig.port("mariadb", 1)}`];
  const args = ["--no-defaults", "--user=root", "--batch", "--skip-column-names", ...target];
  return (await succeed(pathOf("mariadb"), [...args, `--execute=${statement}`])).toString();
}

/** Nothing but the server's own list tells that it is in the middle of a statement. */
async function untilSomebodySleeps(rig: Rig): Promise<void> {
  const list = "select count(*) from information_schema.processlist where state = 'User sleep'";
  for (let tries = 0; tries < 500; tries++) {
    if ((await query(rig, "tcp", list)) === "1\n") return;
  }
  throw new Error("the statement is not being executed");
}
