/** Children started together: each as if it had been alone, whatever happens to its neighbours. */
import { constants, fstatSync, openSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { SpawnedChild, SpawnPlan, SpawnStart, SystemError } from "../../src/native/sys.ts";
import { makeCgroup } from "./cgroup.ts";
import { expectNoLeaks, openDescriptors } from "./leaks.ts";
import {
  closeAll,
  ended,
  failure,
  isRoot,
  nobody,
  node,
  nullDevice,
  plan,
  readAll,
  run,
  shell,
  sys,
} from "./support.ts";

expectNoLeaks();

const most = 64;
const nothing = [nullDevice, nullDevice, nullDevice];
const quiet = (overrides: Partial<SpawnPlan> = {}, descriptors = nothing): SpawnStart => ({
  plan: sys.prepare(plan(overrides)),
  descriptors,
  variables: [],
});

/** Starts that must all succeed. */
function startAll(starts: readonly SpawnStart[]): SpawnedChild[] {
  return sys.spawnAll(starts).map((result) => {
    if (result instanceof Error) throw result;
    return result;
  });
}

/** What each of the starts writes, with the child that wrote it: their descriptors from 3 on are the start's. */
async function outputs(starts: readonly SpawnStart[]): Promise<{ pid: number; output: string }[]> {
  const pipes = starts.map(() => sys.pipe());
  const children = startAll(
    starts.map((start, i) => ({
      ...start,
      descriptors: [nullDevice, pipes[i]?.[1] ?? -1, nullDevice, ...start.descriptors.slice(3)],
    })),
  );
  for (const [, write] of pipes) sys.close(write);
  return Promise.all(
    children.map(async (child, i) => {
      const read = pipes[i]?.[0] ?? -1;
      const output = await readAll(read);
      sys.close(read);
      return { pid: (await ended(child)).pid, output };
    }),
  );
}

test("none is none", () => {
  expect(sys.spawnAll([])).toEqual([]);
});

test.each([1, 2, 8, most])("%i of one plan: own descriptors, variables and pids", async (count) => {
  const prepared = sys.prepare(
    shell("echo $$ $LISTEN_PID $WATCHDOG_PID $N $LONG", { environment: ["LISTEN_PID="] }),
  );
  const starts = Array.from({ length: count }, (_, n) => ({
    plan: prepared,
    descriptors: [],
    variables: [`N=${n}`, "WATCHDOG_PID=", `LONG=${"x".repeat(n * 50)}`],
  }));
  const results = await outputs(starts);
  expect(new Set(results.map(({ pid }) => pid)).size).toBe(count);
  for (const [n, { pid, output }] of results.entries())
    expect(output.trimEnd()).toBe(`${pid} ${pid} ${pid} ${n} ${"x".repeat(n * 50)}`.trimEnd());
});

test("different plans: arguments, directories and masks do not mix", async () => {
  const plans = Array.from({ length: most }, (_, n) =>
    plan({
      argv: ["sh", "-c", 'echo "$1" "$(pwd)" "$(umask)" "$A"', "sh", `argument ${n}`],
      environment: ["PATH=/usr/bin:/bin", `A=${n}`],
      workingDirectory: n % 2 === 0 ? "/usr" : "/etc",
      umask: n,
    }),
  );
  const results = await outputs(
    plans.map((each) => ({ plan: sys.prepare(each), descriptors: [], variables: [] })),
  );
  for (const [n, { output }] of results.entries())
    expect(output).toBe(
      `argument ${n} ${n % 2 === 0 ? "/usr" : "/etc"} 00${n.toString(8).padStart(2, "0")} ${n}\n`,
    );
});

test("descriptors that stand in each other's places cross over in every child for itself", async () => {
  const ours = [...sys.pipe(), ...sys.pipe()].toSorted((a, b) => a - b);
  const prepared = sys.prepare(shell(`readlink ${ours.map((fd) => `/proc/self/fd/${fd}`).join(" ")}`));
  // In the n-th child each stands where the n-th after it stands with us.
  const rotated = (n: number) => ours.map((_, i) => ours[(i + n) % ours.length] ?? -1);
  const placed = (fds: number[]) =>
    Array.from({ length: Math.max(...ours) + 1 }, (_, fd) =>
      ours.includes(fd) ? (fds[ours.indexOf(fd)] ?? -1) : -1,
    );
  const results = await outputs(
    Array.from({ length: 16 }, (_, n) => ({
      plan: prepared,
      descriptors: placed(rotated(n)),
      variables: [],
    })),
  );
  for (const [n, { output }] of results.entries())
    expect(output.trim().split("\n")).toEqual(rotated(n).map((fd) => `pipe:[${fstatSync(fd).ino}]`));
  closeAll(...ours);
});

test.skipIf(!isRoot)("each has its own user, and ours stays", async () => {
  const users = Array.from({ length: 32 }, (_, n) => ({ uid: 60_000 + n, gid: 61_000 + n, groups: [] }));
  const results = await outputs(
    users.map((credentials) => ({
      plan: sys.prepare(shell("echo $(id -u) $(id -g)", { credentials, oomScoreAdjust: 100 })),
      descriptors: [],
      variables: [],
    })),
  );
  expect(results.map(({ output }) => output)).toEqual(users.map(({ uid, gid }) => `${uid} ${gid}\n`));
  expect(process.getuid?.()).toBe(0);
});

test("only those enter the cgroup that are told to", async ({ skip }) => {
  using cgroup = makeCgroup();
  if (cgroup === null) return skip("no cgroup v2 that we may write to");
  const directory = openSync(cgroup.path, constants.O_RDONLY | constants.O_DIRECTORY);
  const where = sys.prepare(shell("grep ^0: /proc/self/cgroup"));
  const starts = Array.from({ length: 8 }, (_, n) => ({
    plan: where,
    descriptors: [],
    variables: [],
    cgroup: n % 2 ? directory : -1,
  }));
  const results = await outputs(starts);
  sys.close(directory);
  expect(results.map(({ output }) => output === `0::${cgroup.name}\n`)).toEqual(
    starts.map((_, n) => n % 2 === 1),
  );
});

describe("failures", () => {
  const failing: SpawnStart[] = [
    quiet({ file: "/nonexistent" }),
    quiet({ file: "/etc" }),
    quiet({ workingDirectory: "/etc/passwd" }),
    quiet({ rootDirectory: "/nonexistent" }),
    quiet({ oomScoreAdjust: 1001 }),
    quiet({}, [nullDevice, 9999]),
    { ...quiet(), cgroup: nullDevice },
    quiet({ limits: [{ resource: sys.constants.RLIMIT_NOFILE ?? -1, soft: 2, hard: 1 }] }),
  ];
  const alone = ({ plan, descriptors, variables, cgroup = -1 }: SpawnStart): SystemError =>
    failure(() => sys.spawn(plan, descriptors, variables, cgroup));
  const facts = ({ message, code, errno, syscall, stage }: SystemError) => ({
    message,
    code,
    errno,
    syscall,
    stage,
  });

  test("are what spawn throws, at every stage, and none is another's", () => {
    const expected = failing.map(alone).map(facts);
    expect(new Set(expected.map(({ stage, code }) => `${stage} ${code}`)).size).toBe(failing.length);
    const before = openDescriptors();
    // Often, since what they would get wrong of each other depends on who is faster.
    for (let round = 0; round < 50; round++) {
      const starts = Array.from({ length: most }, (_, n) => (n * 7 + round) % failing.length);
      const results = sys.spawnAll(starts.map((which) => failing[which] ?? quiet()));
      expect(results.map((result) => (result instanceof Error ? facts(result) : result))).toEqual(
        starts.map((which) => expected[which]),
      );
    }
    expect(openDescriptors()).toEqual(before);
    expect(sys.peekEndedChild()).toBeNull();
  });

  test("do not touch the others", async () => {
    const starts = Array.from({ length: most }, (_, n) =>
      n % 3 === 0 ? quiet({ argv: ["sh", "-c", `exit ${n}`] }) : (failing[n % failing.length] ?? quiet()),
    );
    const results = sys.spawnAll(starts);
    for (const [n, result] of results.entries()) {
      if (result instanceof Error) expect(n % 3).not.toBe(0);
      else expect((await ended(result)).code).toBe(n);
    }
    expect(results.filter((result) => !(result instanceof Error))).toHaveLength(22);
  });

  test.skipIf(!isRoot)(
    "those beyond the limit of processes are told at clone, those below it run",
    async () => {
      const ran = await run(
        node(`
        const plan = sys.prepare(${JSON.stringify(plan({ argv: ["sh", "-c", "read line"] }))});
        const [read, write] = sys.pipe();
        process.setgroups([]); process.setgid(${nobody - 7}); process.setuid(${nobody - 7});
        const threads = require("node:fs").readdirSync("/proc/self/task").length;
        sys.setrlimit(${sys.constants.RLIMIT_NPROC}, threads + 3, threads + 3);
        const results = sys.spawnAll(Array.from({ length: 8 }, () => ({ plan, descriptors: [read, 1, 2], variables: [] })));
        sys.close(write);
        console.log(results.map((result) => result.stage ? result.stage + " " + result.code : "started").join(", "));
      `),
      );
      const expected = [...Array(3).fill("started"), ...Array(5).fill("clone EAGAIN")];
      expect(ran.output.trim().split(", ")).toEqual(expected);
    },
  );

  test("of the caller start nothing", () => {
    const good = quiet();
    const { plan: prepared } = good;
    expect(() => sys.spawnAll(Array(most + 1).fill(good))).toThrow(TypeError);
    for (const bad of [
      null,
      1,
      {},
      { ...good, plan: {} },
      { ...good, descriptors: 3 },
      { plan: prepared, descriptors: [] },
    ])
      expect(() => Reflect.apply(sys.spawnAll, sys, [[good, bad]])).toThrow(TypeError);
    expect(() => Reflect.apply(sys.spawnAll, sys, [good])).toThrow(TypeError);
    expect(sys.peekEndedChild()).toBeNull();
  });
});

test("ten thousand in batches leave nothing behind", { timeout: 120_000 }, async () => {
  const exit = sys.prepare(plan({ file: "/bin/true", argv: ["true"] }));
  const starts = Array(most).fill({ plan: exit, descriptors: nothing, variables: ["A=1"] });
  const before = openDescriptors();
  for (let started = 0; started < 10_000; started += most) {
    const ends = await Promise.all(startAll(starts).map(ended));
    expect(ends.every(({ code }) => code === 0)).toBe(true);
  }
  expect(openDescriptors()).toEqual(before);
});

test("signals that come meanwhile reach us, and no child", async () => {
  // Two processes bombard a third with a signal that it handles and that would end its children.
  const { SIGUSR2 = 0 } = sys.constants;
  const ran = await run(
    node(`
      const ends = (child) => new Promise((resolve) => {
        const watch = sys.watch(child.pidfd, () => {
          watch.close();
          resolve(sys.wait(child.pidfd));
          sys.close(child.pidfd);
        });
        watch.start(1);
      });
      const storm = sys.prepare(${JSON.stringify(plan({ argv: ["sh", "-c", "while kill -USR2 $TARGET; do :; done 2>/dev/null"] }))});
      const exit = sys.prepare(${JSON.stringify(plan({ file: "/bin/true", argv: ["true"] }))});
      let signals = 0;
      process.on("SIGUSR2", () => signals++);
      const senders = [1, 2].map(() => sys.spawn(storm, [], ["TARGET=" + process.pid]));
      (async () => {
        const codes = new Set();
        for (let round = 0; round < 60 || signals === 0; round++) {
          const children = sys.spawnAll(Array(16).fill({ plan: exit, descriptors: [0, 1, 2], variables: [] }));
          for (const { code, signal } of await Promise.all(children.map(ends))) codes.add(code + " " + signal);
        }
        for (const { pidfd } of senders) sys.signalProcess(pidfd, 9);
        await Promise.all(senders.map(ends));
        const blocked = /^SigBlk:.*$/m.exec(require("node:fs").readFileSync("/proc/self/status", "utf8"))[0];
        console.log(signals > 0, [...codes].join(), blocked);
      })();
    `),
  );
  expect(SIGUSR2).toBeGreaterThan(0);
  expect(ran.output).toBe("true 0 null SigBlk:\t0000000000000000\n");
});

test.skipIf(!isRoot)("a daemon that changes users without being root starts them all the same", async () => {
  const { CAP_SETUID = -1, CAP_SETGID = -1, CAP_DAC_READ_SEARCH = -1 } = sys.constants;
  const other = plan({ credentials: { uid: 65_532, gid: 65_532, groups: [] }, oomScoreAdjust: 500 });
  const daemon = node(
    `
    const { statSync } = require("node:fs");
    const other = sys.prepare(${JSON.stringify(other)});
    const failed = new Set();
    for (let round = 0; round < 20; round++) {
      for (const result of sys.spawnAll(Array(16).fill({ plan: other, descriptors: [0, 1, 2], variables: [] })))
        if (result instanceof Error) failed.add(result.stage + " " + result.code);
    }
    console.log(statSync("/proc/self/environ").uid, [...failed].join());
    `,
    {
      credentials: { uid: nobody, gid: nobody, groups: [] },
      capabilities: [CAP_SETUID, CAP_SETGID, CAP_DAC_READ_SEARCH],
    },
  );
  expect((await run(daemon)).output).toBe(`${nobody} \n`);
});
