/** What every handler may count on: its descriptors and no others, its environment, session, signals and limits. */
import { constants, fstatSync, openSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Fd, spawnStages } from "../../src/native/sys.ts";
import { makeCgroup } from "./cgroup.ts";
import { expectNoLeaks } from "./leaks.ts";
import { closeAll, ended, node, nullDevice, output, plan, readAll, run, shell, sys } from "./support.ts";

expectNoLeaks();

const { RLIMIT_NOFILE = -1, RLIMIT_CORE = -1, RLIMIT_STACK = -1 } = sys.constants;

test("the stages have the same names in C and in TypeScript, in the same order", () => {
  expect(sys.spawnStages).toEqual([...spawnStages]);
});

describe("descriptors", () => {
  test("are those named and nothing else, close-on-exec or not", async () => {
    const inheritable = sys.dup(nullDevice);
    sys.setCloseOnExec(inheritable, false);
    const ran = await run(
      plan({ file: "/bin/ls", argv: ["ls", "/proc/self/fd"] }),
      [],
      [nullDevice, nullDevice],
    );
    // 5 is the one by which ls reads the list.
    expect(ran.output.split("\n")).toEqual(["0", "1", "2", "3", "4", "5", ""]);
    sys.close(inheritable);
  });

  test("arrive in any order, also when one stands where another is to go", async () => {
    const pipes = [...sys.pipe(), ...sys.pipe()].toSorted((a, b) => a - b);
    const [first = -1, second = -1] = pipes;
    const script = `for n in ${pipes.join(" ")}; do readlink /proc/self/fd/$n || echo closed; done`;
    // All permutations; one in three places; one closed.
    for (const order of [
      ...permutations(pipes),
      [second, second, second, first],
      [second, -1, first, first],
    ]) {
      const ran = await run(shell(script), [], placed(pipes, order));
      expect(ran.output.trim().split("\n")).toEqual(order.map(linkOf));
    }
    closeAll(...pipes);
  });

  test("can be left closed in the midst, 0 and 1 too", async () => {
    const [read, write] = sys.pipe();
    const child = sys.spawn(
      sys.prepare(shell("ls -l /proc/self/fd >&4")),
      [-1, -1, nullDevice, -1, write],
      [],
    );
    sys.close(write);
    const listed = await readAll(read);
    await ended(child);
    sys.close(read);
    // 0 is the one by which ls reads the list, 1 is the shell's copy of 4.
    expect([...listed.matchAll(/ (\d+) ->/g)].map((match) => match[1])).toEqual(["0", "1", "2", "4"]);
    expect(listed).toMatch(/ 0 -> \/proc\/\d+\/fd/);
  });

  test("keep their blocking mode", async () => {
    const [near, far] = sys.socketpair("stream");
    const flags = async () =>
      Number.parseInt((await run(shell("grep flags /proc/self/fdinfo/3"), [], [far])).output.slice(7), 8);
    expect((await flags()) & constants.O_NONBLOCK).toBe(0);
    sys.setBlocking(far, false);
    expect((await flags()) & constants.O_NONBLOCK).toBe(constants.O_NONBLOCK);
    closeAll(near, far);
  });

  test("can be exchanged under a limit that leaves no spare number", async () => {
    const pipe = sys.pipe();
    const most = Math.max(...pipe) + 1;
    const limits = [{ resource: RLIMIT_NOFILE, soft: most, hard: most }];
    const ran = await run(shell("ulimit -n", { limits }), [], placed(pipe, pipe.toReversed()));
    expect(ran).toMatchObject({ code: 0, output: `${most}\n` });
    closeAll(...pipe);
  });
});

describe("environment", () => {
  test("is the plan's and this start's, in that order, and nothing of ours", async () => {
    const env = plan({ file: "/usr/bin/env", argv: ["env"], environment: ["A=1", "EMPTY=", "UTF=é=\n€"] });
    expect((await run(env, ["B=2", "C=3"])).output).toBe("A=1\nEMPTY=\nUTF=é=\n€\nB=2\nC=3\n");
    // A start with more and longer ones leaves none of them to the next.
    const prepared = sys.prepare(env);
    const many = [`LONG=${"x".repeat(10_000)}`, ...Array.from({ length: 100 }, (_, i) => `N${i}=`)];
    expect((await outputOf(prepared, many)).split("\n").slice(-many.length - 1, -1)).toEqual(many);
    expect(await outputOf(prepared, [])).toBe("A=1\nEMPTY=\nUTF=é=\n€\n");
  });

  test("gets the child's own pid for LISTEN_PID and WATCHDOG_PID, wherever they stand", async () => {
    const script = "echo $$ $LISTEN_PID $WATCHDOG_PID";
    const inPlan = await run(shell(script, { environment: ["LISTEN_PID=", "WATCHDOG_PID="] }));
    expect(inPlan.output).toBe(`${inPlan.pid} ${inPlan.pid} ${inPlan.pid}\n`);
    const asVariables = await run(shell(script), ["WATCHDOG_PID=", "LISTEN_PID="]);
    expect(asVariables.output).toBe(`${asVariables.pid} ${asVariables.pid} ${asVariables.pid}\n`);
    const own = await run(shell(script), ["LISTEN_PID=7", "LISTEN_PID_OTHER="]);
    expect(own.output).toBe(`${own.pid} 7\n`);
  });
});

test("the arguments arrive as they are, the first apart from the file", async () => {
  const argv = ["own name", "-c", 'printf "%s|" "$0" "$@"', "a b", "", "ü\n'\""];
  expect((await run(plan({ argv }))).output).toBe("a b||ü\n'\"|");
});

test("the child leads a session and a process group of its own", async () => {
  const ran = await run(shell("cat /proc/self/stat"));
  const [, , group, session] = ran.output
    .slice(ran.output.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  expect([group, session]).toEqual([ran.pid, ran.pid]);
});

test("no signal is blocked, ignored or caught, though Node ignores SIGPIPE", async () => {
  const { SIGPIPE = 0 } = sys.constants;
  const ignored = readFileSync("/proc/self/status", "utf8").match(/^SigIgn:\t(.*)$/m)?.[1];
  expect(BigInt(`0x${ignored}`) & (1n << BigInt(SIGPIPE - 1))).not.toBe(0n);
  const cat = await run(plan({ file: "/bin/cat", argv: ["cat", "/proc/self/status"] }));
  const none = "0".repeat(16);
  expect(cat.output.match(/^(Sig(Pnd|Blk|Ign|Cgt)|ShdPnd):.*$/gm)).toEqual([
    `SigPnd:\t${none}`,
    `ShdPnd:\t${none}`,
    `SigBlk:\t${none}`,
    `SigIgn:\t${none}`,
    `SigCgt:\t${none}`,
  ]);
});

test("a real-time signal that was ignored before Node began is not ignored either", async () => {
  const { SIGRTMIN = 0 } = sys.constants;
  const { argv } = node(`
    console.log(/^SigIgn:.*$/m.exec(require("node:fs").readFileSync("/proc/self/status", "utf8"))[0]);
    sys.spawn(sys.prepare(${JSON.stringify(plan({ file: "/bin/grep", argv: ["grep", "SigIgn", "/proc/self/status"] }))}), [0, 1, 2], []);
  `);
  const ignoring = shell(`trap '' ${SIGRTMIN}; exec "$0" "$@"`);
  const ran = await run({ ...ignoring, argv: [...ignoring.argv, process.execPath, ...argv.slice(1)] });
  const [nodes = 0n, childs = -1n] = [...ran.output.matchAll(/SigIgn:\t(\w+)/g)].map(([, set]) =>
    BigInt(`0x${set}`),
  );
  expect(nodes & (1n << BigInt(SIGRTMIN - 1))).not.toBe(0n);
  expect(childs).toBe(0n);
});

test("our own signals and dispositions stay as they were", async () => {
  const ours = () => readFileSync("/proc/self/status", "utf8").match(/^Sig(Blk|Ign|Cgt):.*$/gm);
  const before = ours();
  await run(plan());
  expect(ours()).toEqual(before);
});

test("umask and working directory are the plan's", async () => {
  expect(await output("umask; pwd", { umask: 0o027, workingDirectory: "/usr/bin" })).toBe("0027\n/usr/bin");
  expect(await output("umask", { umask: 0 })).toBe("0000");
});

test("limits are the plan's: soft, hard, and none", async () => {
  const limits = [
    { resource: RLIMIT_NOFILE, soft: 100, hard: 200 },
    { resource: RLIMIT_CORE, soft: 0, hard: 0 },
    { resource: RLIMIT_STACK, soft: 1024 * 1024, hard: -1 },
  ];
  expect(await output("ulimit -Sn; ulimit -Hn; ulimit -Hc; ulimit -Ss; ulimit -Hs", { limits })).toBe(
    "100\n200\n0\n1024\nunlimited",
  );
});

test("priority and OOM score are the child's alone", async () => {
  const script = "nice; cat /proc/self/oom_score_adj";
  const ours = readFileSync("/proc/self/oom_score_adj", "utf8");
  expect(await output(script, { nice: 7, oomScoreAdjust: 321 })).toBe("7\n321");
  expect(readFileSync("/proc/self/oom_score_adj", "utf8")).toBe(ours);
  expect(await output(script)).toBe(`0\n${ours.trim()}`);
});

test("no_new_privs is set only when asked for", async () => {
  const script = "grep -c '^NoNewPrivs:.1' /proc/self/status || true";
  expect(await output(script, { noNewPrivileges: true })).toBe("1");
  expect(await output(script)).toBe("0");
});

test("a cgroup is entered at birth", async ({ skip }) => {
  using cgroup = makeCgroup();
  if (cgroup === null) return skip("no cgroup v2 that we may write to");
  const directory = openSync(cgroup.path, constants.O_RDONLY | constants.O_DIRECTORY);
  const ran = await run(shell("grep ^0: /proc/self/cgroup"), [], [], directory);
  sys.close(directory);
  expect(ran.output).toBe(`0::${cgroup.name}\n`);
});

test("hundreds of starts leave nothing behind", async () => {
  const prepared = sys.prepare(plan());
  for (let i = 0; i < 300; i++) {
    expect((await ended(sys.spawn(prepared, [nullDevice, nullDevice, nullDevice], [`N=${i}`]))).code).toBe(0);
  }
});

function permutations(items: readonly Fd[]): Fd[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

/** The list from 3 on that puts `from[i]` at number `to[i]`. */
function placed(to: readonly Fd[], from: readonly Fd[]): Fd[] {
  return Array.from({ length: Math.max(...to) - 2 }, (_, i) => from[to.indexOf(i + 3)] ?? -1);
}

function linkOf(fd: Fd): string {
  return fd < 0 ? "closed" : `pipe:[${fstatSync(fd).ino}]`;
}

async function outputOf(prepared: ReturnType<typeof sys.prepare>, variables: string[]): Promise<string> {
  const [read, write] = sys.pipe();
  const child = sys.spawn(prepared, [nullDevice, write, write], variables);
  sys.close(write);
  const text = await readAll(read);
  await ended(child);
  sys.close(read);
  return text;
}
