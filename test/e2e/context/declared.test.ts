/** What a service declares about its handlers' surroundings is what they get, or they do not start. */
import { copyFileSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { connect, readAll } from "../rig/client.ts";
import { type Place, startDaemon } from "../rig/daemon.ts";
import { asRoot, needs } from "../rig/needs.ts";
import { askReport, type HandlerReport } from "../rig/report.ts";
import type { Rig } from "../rig/rig.ts";
import { standings } from "./daemons.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const unlimited = -1;

describe.each(standings)("from a daemon of $name", ({ needs: needed, launcher }) => {
  const possible = needs(...needed);
  const start = (keys: string | ((place: Place) => string)) => startService(keys, launcher);
  const report = async (keys: string) => reportOf(await start(keys));

  possible("limits of every kind", async () => {
    const { limits } = await report(`limits = {
      nofile = "100:200", nproc = 4000, core = "0:1G", cpu = "59s:1m", as = "1G:2G", data = "512M",
      stack = "4M:HARD", fsize = "3M:HARD", memlock = "32K:48K"
    }`);
    expect(limits).toEqual({
      nofile: { soft: 100, hard: 200 },
      nproc: { soft: 4000, hard: 4000 },
      core: { soft: 0, hard: 1024 * MiB },
      cpu: { soft: 59, hard: 60 },
      as: { soft: 1024 * MiB, hard: 2048 * MiB },
      data: { soft: 512 * MiB, hard: 512 * MiB },
      stack: { soft: 4 * MiB, hard: hardLimit("Max stack size") },
      fsize: { soft: 3 * MiB, hard: hardLimit("Max file size") },
      memlock: { soft: 32 * KiB, hard: 48 * KiB },
    });
  });

  possible("1024 descriptors by default, up to what the daemon itself was allowed", async () => {
    const { limits } = await report("");
    expect(limits.nofile).toEqual({ soft: 1024, hard: hardLimit("Max open files") });
  });

  possible("a lower priority, and a higher score when memory is short", async () => {
    expect(await report("nice = 7\noom_score_adjust = 500")).toMatchObject({
      nice: 7,
      oomScoreAdjust: "500",
    });
  });

  possible("no new privileges, unless that is allowed", async () => {
    expect((await report("")).status.NoNewPrivs).toBe("1");
    expect((await report("no_new_privileges = false")).status.NoNewPrivs).toBe("0");
  });

  possible(
    "the environment: passed on, from files in order, declared; over that of the handoff",
    async () => {
      await using rig = await startService(
        ({ directory }) => {
          writeFileSync(join(directory, "one"), '# a comment\nB=one\nC="one\\"s"\nD=one\n');
          writeFileSync(join(directory, "two"), "D=two \\\ntogether\nE='two'\n");
          return `
          handoff = "listen"
          pass_environment = ["A", "B", "ABSENT"]
          environment_file = ["${directory}/one", "-${directory}/absent", "${directory}/two"]
          environment = { E = "declared", LISTEN_FDNAMES = "declared", HOME = "/home" }`;
        },
        launcher,
        "acceptor",
        { A: "passed", B: "passed", ABSENTEE: "x" },
      );
      const { environment } = await reportOf(rig);
      expect(environment).toEqual(
        expect.arrayContaining([
          ...["A=passed", "B=one", 'C=one"s', "D=two together", "E=declared"],
          ...["LISTEN_FDNAMES=declared", "LISTEN_FDS=1", "HOME=/home"],
        ]),
      );
      const names = environment.map((entry) => entry.slice(0, entry.indexOf("=")));
      expect(new Set(names).size).toBe(names.length);
      expect(names).not.toContain("ABSENT");
    },
  );
});

describe("from a daemon of root", () => {
  const possible = needs(asRoot);

  const improvements = [
    { keys: "nice = -5", capability: 23, report: { nice: -5 }, stage: "priority" },
    {
      keys: "oom_score_adjust = -500",
      capability: 24,
      report: { oomScoreAdjust: "-500" },
      stage: "oom score",
    },
  ];
  for (const { keys, capability, report, stage } of improvements) {
    possible(`${keys}, where root may (CAP_SYS_NICE, CAP_SYS_RESOURCE: not in every container)`, async () => {
      await using rig = await startService(`${keys}\nrefusal = "sorry\\n"`);
      await using client = await connect(await rig.port("it"));
      if (hasCapability(capability)) {
        expect(await askReport(client)).toMatchObject(report);
      } else {
        expect(await client.line()).toBe("sorry");
        expect((await rig.event("connection.refused")).error).toBe(`cannot start "it": ${stage}: EACCES`);
      }
    });
  }

  possible("capabilities, exactly those, also over an exec", async () => {
    const { status, uids } = await reportOf(
      await startService('capabilities = ["CAP_NET_BIND_SERVICE", "CAP_NET_RAW"]'),
    );
    const both = ((1n << 10n) | (1n << 13n)).toString(16).padStart(16, "0");
    expect(status).toMatchObject({ CapAmb: both, CapEff: both, CapPrm: both, CapInh: both, NoNewPrivs: "1" });
    expect(uids).not.toContain(0);
  });

  possible("a root directory, with a program and a working directory inside it", async () => {
    await using rig = await startService(({ directory, fixture }) => {
      const jail = join(directory, "jail");
      mkdirSync(join(jail, "bin"), { recursive: true });
      mkdirSync(join(jail, "srv"));
      copyFileSync(fixture("handler"), join(jail, "bin/program"));
      return `command = "/bin/program"\nroot_directory = "${jail}"\nworking_directory = "/srv"`;
    });
    await using client = await connect(await rig.port("it"));
    const { pid, uids, workingDirectory } = await askReport(client);
    expect(workingDirectory).toBe("/srv");
    expect(readlinkSync(`/proc/${pid}/root`)).toBe(join(rig.directory, "jail"));
    expect(uids).not.toContain(0);
  });

  possible("a user that no record has, by its number", async () => {
    const { uids, gids, groups, environment } = await reportOf(await startService('user = "54321"'));
    expect({ uids, gids, groups }).toEqual({
      uids: [54321, 54321, 54321],
      gids: [54321, 54321, 54321],
      groups: [54321],
    });
    expect(environment).toEqual(expect.arrayContaining(["USER=54321", "LOGNAME=54321", "HOME=/"]));
  });

  possible("root itself, with what root has, or without new privileges", async () => {
    expect(await reportOf(await startService('user = "root"'))).toMatchObject({
      uids: [0, 0, 0],
      status: { NoNewPrivs: "0" },
    });
    const { status } = await reportOf(await startService('user = "root"\nno_new_privileges = true'));
    expect(status.NoNewPrivs).toBe("1");
  });
});

describe("a daemon of an ordinary user cannot give what it does not have, and says so", () => {
  const [, ordinary] = standings;
  const possible = needs(...(ordinary?.needs ?? []));
  const cases: [keys: string, error: RegExp][] = [
    ["nice = -5", /^cannot start "it": priority: (EACCES|EPERM)$/],
    ["oom_score_adjust = -900", /^cannot start "it": oom score: (EACCES|EPERM)$/],
    [`limits = { nofile = "100:${hardLimit("Max open files") + 1}" }`, /^cannot start "it": limits: EPERM$/],
    ['capabilities = ["CAP_SYS_TIME"]', /^cannot start "it": capabilities: EPERM$/],
  ];
  for (const [keys, error] of cases) {
    possible(keys, async () => {
      await using rig = await startService(`${keys}\nrefusal = "sorry"`, ordinary?.launcher);
      expect(await readAll(await rig.port("it"))).toBe("sorry");
      expect((await rig.event("connection.refused")).error).toMatch(error);
    });
  }
});

/** A daemon with a service `it` that has these keys, and starts the fixture unless they name another command. */
function startService(
  keys: string | ((place: Place) => string),
  launcher: readonly string[] = [],
  program: "handler" | "acceptor" = "handler",
  environment: Readonly<Record<string, string>> = {},
): Promise<Rig> {
  return startDaemon(
    (place) => {
      const text = typeof keys === "string" ? keys : keys(place);
      const command = /^\s*command/m.test(text) ? "" : `command = "${place.fixture(program)}"`;
      return `[services.it]\nlisten = "127.0.0.1:0"\n${command}\n${text}`;
    },
    { launcher, environment },
  );
}

/** Whether this process has it, and so a daemon that it starts. */
function hasCapability(number: number): boolean {
  const mask = /^CapEff:\s*(\w+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return ((BigInt(`0x${mask}`) >> BigInt(number)) & 1n) === 1n;
}

/** Ends the daemon. */
async function reportOf(started: Rig): Promise<HandlerReport> {
  await using rig = started;
  await using client = await connect(await rig.port("it"));
  return await askReport(client);
}

/** Of this process, and so of the daemon that it starts. By its name in /proc/self/limits. */
function hardLimit(name: string): number {
  const line =
    readFileSync("/proc/self/limits", "utf8")
      .split("\n")
      .find((each) => each.startsWith(name)) ?? "";
  const [, , hard = ""] = /\s+(\S+)\s+(\S+)/.exec(line.slice(name.length)) ?? [];
  return hard === "unlimited" ? unlimited : Number(hard);
}
