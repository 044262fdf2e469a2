/** `runtime_directory`: there before the first handler, its user's, and gone with the service. */
import { existsSync, lstatSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { askReport } from "../rig/report.ts";
import type { Rig } from "../rig/rig.ts";

const startWith = (name: string): Promise<Rig> =>
  startDaemon(
    ({ directory, fixture }) => `
[services.fixture]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"
runtime_directory = "${directory}/${name}"`,
  );

test("it is made with its parents, given to the user, made again if it went, and removed at the end", async () => {
  await using rig = await startWith("made/on/the/way/run");
  const path = join(rig.directory, "made/on/the/way/run");
  await using client = await connect(await rig.port("fixture"));
  const { uids, gids } = await askReport(client);
  const { mode, uid, gid } = lstatSync(path);
  expect({ mode: mode & 0o777, uid, gid }).toEqual({ mode: 0o755, uid: uids[0], gid: gids[0] });

  rmdirSync(path);
  await using second = await connect(await rig.port("fixture"));
  await second.command("echo here");
  expect(lstatSync(path).uid).toBe(uid);
  await rig.stop();
  expect(existsSync(path)).toBe(false);
});

test("what somebody has left in it stays", async () => {
  await using rig = await startWith("run");
  const file = join(rig.directory, "run", "data");
  await rig.port("fixture");
  writeFileSync(file, "precious");
  await rig.stop();
  expect(existsSync(file)).toBe(true);
});

test("a link in its place makes the service fail, and leads nowhere", async () => {
  await using rig = await startDaemon(({ directory, fixture }) => {
    symlinkSync("/etc", join(directory, "run"));
    return `
[services.fixture]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"
runtime_directory = "${directory}/run"`;
  });
  const owner = lstatSync("/etc").uid;
  const { reason } = await rig.event("service.failed");
  expect(reason).toBe(`runtime_directory: ${rig.directory}/run: ENOTDIR`);
  expect(lstatSync("/etc").uid).toBe(owner);
});
