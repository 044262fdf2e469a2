/**
 * `git daemon --inetd`.
 *
 * The connection's ends tell it what to do: a clone ends with the client's half-close, and it starts upload-pack and
 * receive-pack as children. After a push a child of a child may still tidy up.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { needs, program } from "../e2e/rig/needs.ts";
import { documented } from "./documented.ts";
import { digestsOf, giveToHandlers, makeFiles, nobody } from "./files.ts";
import { type RunOptions, run, succeed } from "./run.ts";
import { expectIdle, expectServed } from "./served.ts";

const possible = needs(program("/usr/bin/git"));

/** No configuration but what stands here, so that the outcome does not depend on whose machine this is. */
const environment = {
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "A",
  GIT_AUTHOR_EMAIL: "a@example.org",
  GIT_COMMITTER_NAME: "A",
  GIT_COMMITTER_EMAIL: "a@example.org",
  GIT_TERMINAL_PROMPT: "0",
};

possible("clones and takes pushes", async () => {
  await using rig = await startDaemon(({ directory }) => {
    const base = join(directory, "base");
    mkdirSync(base);
    return documented("git", {
      "*:9418": "127.0.0.1:0",
      '"--export-all"': '"--export-all", "--enable=receive-pack"',
      "/srv/git": base,
    });
  });
  const base = join(rig.directory, "base");
  await git(["init", "-q", "--bare", "--initial-branch=main", join(base, "repository.git")]);
  giveToHandlers(base, nobody);
  const idle = expectIdle(rig);
  const url = `git://127.0.0.1:${await rig.port("git")}/repository.git`;
  const [first, second] = [join(rig.directory, "first"), join(rig.directory, "second")];

  await git(["clone", "-q", url, first]);
  await expectServed(rig, "git", 1, idle);

  makeFiles(join(first, "files"));
  await git(["add", "."], { cwd: first });
  await git(["commit", "-q", "-m", "files"], { cwd: first });
  await git(["push", "-q", "origin", "HEAD:main"], { cwd: first });
  await expectServed(rig, "git", 2, idle);

  await git(["clone", "-q", url, second]);
  expect(digestsOf(second)).toEqual(digestsOf(first));

  const unknown = await run(
    "git",
    ["clone", "-q", url.replace("repository", "nothing"), join(rig.directory, "third")],
    {
      environment,
    },
  );
  expect(unknown.code).toBe(128);
  await expectServed(rig, "git", 4, idle);
});

function git(args: readonly string[], options: RunOptions = {}): Promise<Buffer> {
  return succeed("git", args, { ...options, environment });
}
