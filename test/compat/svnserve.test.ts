/**
 * `svnserve -i`.
 *
 * It reads and writes the connection as it finds it, and breaks where that does not block.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { needs, program } from "../e2e/rig/needs.ts";
import type { Rig } from "../e2e/rig/rig.ts";
import { documented } from "./documented.ts";
import { digestsOf, giveToHandlers, makeFiles, nobody } from "./files.ts";
import { type Outcome, run } from "./run.ts";
import { expectIdle, expectServed } from "./served.ts";

const possible = needs(program("/usr/bin/svnserve"), program("svn"), program("svnadmin"));

possible("checks out and takes commits", async () => {
  await using rig = await startSvnserve();
  const idle = expectIdle(rig);
  const url = `svn://127.0.0.1:${await rig.port("svn")}/repository`;
  const [first, second] = [join(rig.directory, "first"), join(rig.directory, "second")];

  await svn(rig, "checkout", url, first);
  await svn(rig, "checkout", url, second);
  await expectServed(rig, "svn", 2, idle);

  makeFiles(join(first, "files"));
  await svn(rig, "add", join(first, "files"));
  await svn(rig, "commit", "-m", "files", first);
  await svn(rig, "update", second);
  expect(digestsOf(join(second, "files"))).toEqual(digestsOf(join(first, "files")));
  await expectServed(rig, "svn", 4, idle);

  const unknown = await attempt(rig, "checkout", `${url}-not`, join(rig.directory, "third"));
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("No repository found") });
  await expectServed(rig, "svn", 5, idle);
});

possible("serves several clients at the same time", async () => {
  await using rig = await startSvnserve();
  const idle = expectIdle(rig);
  const url = `svn://127.0.0.1:${await rig.port("svn")}/repository`;
  const names = ["a", "b", "c", "d"];
  await Promise.all(names.map((name) => svn(rig, "mkdir", "-m", name, `${url}/${name}`)));
  const { stdout } = await attempt(rig, "list", url);
  expect(stdout.toString()).toBe("a/\nb/\nc/\nd/\n");
  await expectServed(rig, "svn", names.length + 1, idle);
});

/** With a repository that everybody may write to. */
async function startSvnserve(): Promise<Rig> {
  const rig = await startDaemon(({ directory }) =>
    documented("svn", { "*:3690": "127.0.0.1:0", "/srv/svn": directory }),
  );
  const repository = join(rig.directory, "repository");
  const made = await run("svnadmin", ["create", repository]);
  expect(made).toMatchObject({ code: 0, stderr: "" });
  appendFileSync(join(repository, "conf", "svnserve.conf"), "[general]\nanon-access = write\n");
  giveToHandlers(repository, nobody);
  return rig;
}

/** Nothing of the account's own configuration, and no question. */
function attempt(rig: Rig, ...args: string[]): Promise<Outcome> {
  const own = ["--config-dir", join(rig.directory, "client"), "--non-interactive"];
  return run("svn", [...own, ...args]);
}

async function svn(rig: Rig, ...args: string[]): Promise<void> {
  expect(await attempt(rig, ...args)).toMatchObject({ code: 0, stderr: "" });
}
