/** The other way of making a child, for where clone3 is hidden or its calling convention is not known. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SpawnPlan } from "../../src/native/sys.ts";
import { makeCgroup } from "./cgroup.ts";
import { compileFixture } from "./compile.ts";
import { expectNoLeaks } from "./leaks.ts";
import { node, run, shell } from "./support.ts";

expectNoLeaks();

const directory = mkdtempSync(join(tmpdir(), "tinetd-test-"));
const withoutClone3 = join(directory, "without-clone3");

beforeAll(() => {
  compileFixture("without-clone3", withoutClone3);
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** A Node to which clone3 does not exist and which runs `script`. */
function withoutIt(script: string): SpawnPlan {
  const unfiltered = node(script);
  const [, ...rest] = unfiltered.argv;
  return { ...unfiltered, file: withoutClone3, argv: [withoutClone3, process.execPath, ...rest] };
}

/** One that starts a shell script; `cgroup` is a path or empty. */
function filtered(script: string, cgroup: string): SpawnPlan {
  return withoutIt(`
    const { openSync } = require("node:fs");
    const plan = sys.prepare(${JSON.stringify(shell(script))});
    const cgroup = ${JSON.stringify(cgroup)};
    const child = sys.spawn(plan, [0, 1, 2], [], cgroup === "" ? -1 : openSync(cgroup));
    // Until it is reaped its cgroup cannot be removed.
    const watch = sys.watch(child.pidfd, () => {
      sys.wait(child.pidfd);
      watch.close();
    });
    watch.start(1);
  `);
}

test("the dispositions are reset one by one", async () => {
  const none = "0".repeat(16);
  const ran = await run(filtered("exec cat /proc/self/status", ""));
  expect(ran.output).toMatch(/^Seccomp:\t2$/m);
  expect(ran.output.match(/^Sig(Blk|Ign|Cgt):.*$/gm)).toEqual([
    `SigBlk:\t${none}`,
    `SigIgn:\t${none}`,
    `SigCgt:\t${none}`,
  ]);
});

test("the child enters its cgroup by itself", async ({ skip }) => {
  using cgroup = makeCgroup();
  if (cgroup === null) return skip("no cgroup v2 that we may write to");
  const ran = await run(filtered("grep ^0: /proc/self/cgroup", cgroup.path));
  expect(ran.output.trim()).toBe(`0::${cgroup.name}`);
});

test("several at once start and fail as with it", async () => {
  const none = "0".repeat(16);
  const ran = await run(
    withoutIt(`
      const good = sys.prepare(${JSON.stringify(shell("echo $N $(grep -E '^Sig(Blk|Ign):' /proc/self/status)"))});
      const bad = sys.prepare(${JSON.stringify(shell("", { file: "/nonexistent" }))});
      const starts = [good, bad, good, bad].map((plan, n) => ({ plan, descriptors: [0, 1, 2], variables: ["N=" + n] }));
      for (const result of sys.spawnAll(starts)) {
        if (result instanceof Error) console.log(result.stage, result.code);
      }
    `),
  );
  expect(ran.output.trim().split("\n").toSorted()).toEqual([
    `0 SigBlk: ${none} SigIgn: ${none}`,
    `2 SigBlk: ${none} SigIgn: ${none}`,
    "exec ENOENT",
    "exec ENOENT",
  ]);
});
