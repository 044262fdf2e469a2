/** redis through `proxy`: woken by the first client, stopped when nobody is there, data intact, also after a kill. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { connect } from "../e2e/rig/client.ts";
import { startDaemon } from "../e2e/rig/daemon.ts";
import type { Logged } from "../e2e/rig/event-log.ts";
import { repository } from "../e2e/rig/fixtures.ts";
import { needs, pathOf, program } from "../e2e/rig/needs.ts";
import type { Rig } from "../e2e/rig/rig.ts";
import { documented } from "./documented.ts";
import { giveToHandlers, nobody } from "./files.ts";
import { expectNobodyLost, idleStopped } from "./proxied.ts";
import { succeed } from "./run.ts";

const possible = needs(program("redis-server"), program("redis-cli"));

possible("is woken, keeps its data over being stopped and killed, and serves a crowd", async () => {
  await using rig = await startDaemon(({ directory }) => {
    const data = join(directory, "data");
    mkdirSync(data);
    giveToHandlers(data, nobody);
    return documented("redis", {
      "127.0.0.1:6379": "127.0.0.1:0",
      "/var/lib/redis": data,
      "/run/redis-tinetd": join(directory, "run"),
      '"redis"': '"nobody"',
      // It says that something is stored before it is on the disk, otherwise.
      '"--appendonly", "yes"': '"--appendonly", "yes", "--appendfsync", "always"',
      '"5m"': '"500ms"',
    });
  });
  expect(rig.descendants()).toEqual([]);
  expect(await redis(rig, "set", "greeting", "hello")).toBe("OK\n");
  const first = await idleStopped(rig);

  // So that it is there to be killed, however long the crowd takes.
  const holding = await connect(await rig.port("redis"));
  const crowd = Array.from({ length: 20 }, (_, n) => redis(rig, "incrby", "sum", `${n}`));
  expect(Math.max(...(await Promise.all(crowd)).map(Number))).toBe(190);
  const { pid } = await rig.event("handler.started", {}, { after: first });
  // Its socket is left where it was.
  process.kill(pid, "SIGKILL");
  holding.reset();
  const killed = await rig.event("handler.exited", { pid });
  expect(await redis(rig, "mget", "greeting", "sum")).toBe("hello\n190\n");
  await idleStopped(rig, killed);
  await expectNobodyLost(rig, 3);
});

possible("the example counts on after it has been away", async () => {
  await using rig = await startDaemon(({ directory }) =>
    readFileSync(join(repository, "examples/proxy-redis/inetd.toml"), "utf8")
      .replaceAll("127.0.0.1:7110", "127.0.0.1:0")
      .replaceAll("/tmp/tinetd-redis", join(directory, "run"))
      .replace('"10s"', '"500ms"'),
  );
  let last: Logged | undefined;
  for (const visits of ["1\n", "2\n", "3\n"]) {
    expect(await redis(rig, "incr", "visits")).toBe(visits);
    last = await idleStopped(rig, last);
  }
  await expectNobodyLost(rig, 3);
});

async function redis(rig: Rig, ...words: string[]): Promise<string> {
  const port = await rig.port("redis");
  return (await succeed(pathOf("redis-cli"), ["-p", `${port}`, ...words])).toString();
}
