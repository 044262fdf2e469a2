/** A start that fails says where and why, and leaves no process, descriptor or zombie behind. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { SpawnPlan } from "../../src/native/sys.ts";
import { expectNoLeaks, openDescriptors } from "./leaks.ts";
import { failure, isRoot, nobody, node, nullDevice, plan, run, sys } from "./support.ts";

expectNoLeaks();

const { CAP_NET_ADMIN = -1, RLIMIT_NPROC = -1, RLIMIT_NOFILE = -1 } = sys.constants;
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "tinetd-test-"));
  chmodSync(directory, 0o755);
  file("no-format", "neither a script nor a program", 0o755);
  file("no-interpreter", "#!/nonexistent/interpreter\n", 0o755);
  file("not-executable", "#!/bin/sh\n", 0o644);
  file("private", "#!/bin/sh\n", 0o700);
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

afterEach(() => {
  expect(sys.peekEndedChild()).toBeNull();
});

function file(name: string, text: string, mode: number): void {
  writeFileSync(join(directory, name), text, { mode });
}

function fails(
  overrides: Partial<SpawnPlan>,
  descriptors = [nullDevice, nullDevice, nullDevice],
  variables: string[] = [],
) {
  const before = openDescriptors();
  const error = failure(() => sys.spawn(sys.prepare(plan(overrides)), descriptors, variables));
  expect(openDescriptors()).toEqual(before);
  return error;
}

describe("stage exec", () => {
  test.each([
    ["/nonexistent", "ENOENT", -2],
    ["/etc", "EACCES", -13],
    ["no-format", "ENOEXEC", -8],
    ["no-interpreter", "ENOENT", -2],
    ["not-executable", "EACCES", -13],
  ])("%s: %s", (name, code, errno) => {
    const path = join(name.startsWith("/") ? "/" : directory, name);
    const error = fails({ file: path });
    expect(error).toMatchObject({ stage: "exec", code, errno, syscall: "spawn" });
    expect(error.message).toMatch(new RegExp(`^spawn ${code}: [a-z ]+ ${path}$`));
  });

  test("E2BIG: a variable too long for the kernel", () => {
    expect(fails({}, [], [`A=${"x".repeat(256 * 1024)}`])).toMatchObject({ stage: "exec", code: "E2BIG" });
  });

  test.skipIf(!isRoot)("EACCES: a file that the daemon may execute and the user may not", () => {
    const credentials = { uid: nobody, gid: nobody, groups: [] };
    expect(fails({ file: join(directory, "private"), credentials })).toMatchObject({
      stage: "exec",
      code: "EACCES",
    });
  });
});

test("stage descriptors: one that is not open, beyond the list and within it", () => {
  expect(fails({}, [nullDevice, nullDevice, 9999])).toMatchObject({ stage: "descriptors", code: "EBADF" });
  expect(fails({}, [...Array(600).fill(-1), 500])).toMatchObject({
    stage: "descriptors",
    code: "EBADF",
  });
});

test("stage limits: a soft limit above the hard one", () => {
  const limits = [{ resource: RLIMIT_NOFILE, soft: 200, hard: 100 }];
  expect(fails({ limits })).toMatchObject({ stage: "limits", code: "EINVAL" });
});

test("stage root directory: none there", () => {
  expect(fails({ rootDirectory: "/nonexistent" })).toMatchObject({
    stage: "root directory",
    code: "ENOENT",
    message: "spawn ENOENT: no such file or directory /nonexistent",
  });
});

test("stage working directory: none there, no directory", () => {
  expect(fails({ workingDirectory: "/nonexistent" })).toMatchObject({
    stage: "working directory",
    code: "ENOENT",
  });
  expect(fails({ workingDirectory: "/etc/passwd" })).toMatchObject({
    stage: "working directory",
    code: "ENOTDIR",
  });
});

test.skipIf(!isRoot)("stage working directory: one that the user may not enter", () => {
  const credentials = { uid: nobody, gid: nobody, groups: [] };
  chmodSync(directory, 0o700);
  expect(fails({ workingDirectory: directory, credentials })).toMatchObject({
    stage: "working directory",
    code: "EACCES",
  });
  chmodSync(directory, 0o755);
});

test("stage oom score: out of range", () => {
  expect(fails({ oomScoreAdjust: 1001 })).toMatchObject({ stage: "oom score", code: "EINVAL" });
});

test("stage cgroup: a descriptor that is none", () => {
  const error = failure(() => sys.spawn(sys.prepare(plan()), [], [], nullDevice));
  expect(error).toMatchObject({ stage: "cgroup", code: "EBADF" });
});

/** What a daemon without privileges reports for each plan, in a Node of its own that gives up root if it has it. */
async function failuresUnprivileged(plans: Partial<SpawnPlan>[], prelude = ""): Promise<unknown[]> {
  const ran = await run(
    node(`
      if (process.getuid() === 0) {
        ${prelude}
        process.setgroups([]);
        process.setgid(${nobody});
        process.setuid(${nobody});
      }
      const results = ${JSON.stringify(plans.map(plan))}.map((plan) => {
        try {
          sys.spawn(sys.prepare(plan), [], []);
          return "started";
        } catch (error) {
          return [error.stage, error.code];
        }
      });
      console.log(JSON.stringify({ results, zombie: sys.peekEndedChild() }));
    `),
  );
  const { results, zombie } = JSON.parse(ran.output);
  expect(zombie).toBeNull();
  return results;
}

test("each privileged stage, by a daemon that has no privileges", async () => {
  const someone = { uid: 1, gid: 1, groups: [] };
  expect(
    await failuresUnprivileged(
      [
        { nice: -5 },
        { oomScoreAdjust: -500 },
        { limits: [{ resource: RLIMIT_NPROC, soft: -1, hard: -1 }] },
        { rootDirectory: "/" },
        { credentials: someone },
        { capabilities: [CAP_NET_ADMIN] },
      ],
      `sys.setrlimit(${RLIMIT_NPROC}, 50000, 50000);`,
    ),
  ).toEqual([
    ["priority", "EACCES"],
    ["oom score", "EACCES"],
    ["limits", "EPERM"],
    ["root directory", "EPERM"],
    ["groups", "EPERM"],
    ["capabilities", "EPERM"],
  ]);
});

test.skipIf(!isRoot)("stage clone: no process may be added", async () => {
  expect(await failuresUnprivileged([{}], `sys.setrlimit(${RLIMIT_NPROC}, 1, 1);`)).toEqual([
    ["clone", "EAGAIN"],
  ]);
});

test("a failure is followed by starts that work", async () => {
  const prepared = sys.prepare(plan());
  for (let i = 0; i < 100; i++) {
    expect(() => sys.spawn(prepared, [9999], [])).toThrow("EBADF");
  }
  expect((await run(plan())).code).toBe(0);
});
