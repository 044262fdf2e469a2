/** What else a `stdio` handler is given: descriptors, session, signals, limits, identity. */
import { execFileSync } from "node:child_process";
import { constants, readlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { asRoot, needs } from "../rig/needs.ts";
import { askReport, type HandlerReport } from "../rig/report.ts";
import type { Rig } from "../rig/rig.ts";
import { startFixture } from "./tools.ts";

/** No signal, or no capability. */
const none = "0000000000000000";

describe("the descriptors", () => {
  test("are the connection as 0 and 1, stderr as 2, all blocking, and no other", async () => {
    await using rig = await startFixture();
    await using client = await connect(await rig.port("fixture"));
    const { descriptors } = await askReport(client);
    const connection = expect.stringMatching(/^socket:/);
    expect(descriptors.map(plain)).toEqual([
      { fd: 0, target: connection, blocking: true, closeOnExec: false },
      { fd: 1, target: descriptors[0]?.target, blocking: true, closeOnExec: false },
      { fd: 2, target: stderrOf(rig), blocking: true, closeOnExec: false },
    ]);
  });

  test("with connection_fd = 3 are nothing, stderr twice and the connection, as LISTEN_* says", async () => {
    await using rig = await startFixture("connection_fd = 3");
    await using client = await connect(await rig.port("fixture"));
    const { descriptors, environment, pid } = await askReport(client);
    expect(descriptors.map(plain)).toEqual([
      { fd: 0, target: "/dev/null", blocking: true, closeOnExec: false },
      { fd: 1, target: stderrOf(rig), blocking: true, closeOnExec: false },
      { fd: 2, target: stderrOf(rig), blocking: true, closeOnExec: false },
      { fd: 3, target: expect.stringMatching(/^socket:/), blocking: true, closeOnExec: false },
    ]);
    expect(environment.filter((entry) => entry.startsWith("LISTEN_")).sort()).toEqual([
      "LISTEN_FDNAMES=connection",
      "LISTEN_FDS=1",
      `LISTEN_PID=${pid}`,
    ]);
    expect(environment).toContain("PROTO=TCP");
  });
});

describe("the process", () => {
  test("leads a session and a group of its own, without a terminal", async () => {
    const report = await reportOf("");
    expect(report).toMatchObject({ session: report.pid, group: report.pid, terminal: false });
  });

  test("has no signal blocked, ignored or caught", async () => {
    const { status } = await reportOf("");
    expect(status).toMatchObject({ SigBlk: none, SigIgn: none, SigCgt: none });
  });

  test("has the usual mask, directory and limit of files, and gains no rights by exec", async () => {
    const report = await reportOf("");
    expect(report).toMatchObject({ umask: 0o022, workingDirectory: "/" });
    expect(report.limits.nofile.soft).toBe(1024);
    expect(report.status.NoNewPrivs).toBe("1");
  });

  test("has the mask, directory, limits, arguments and name that are declared", async () => {
    await using rig = await startDaemon(
      ({ directory, fixture }) => `
[services.fixture]
listen  = "127.0.0.1:0"
command = ["${fixture("handler")}", "one", "two words", ""]
argv0   = "-renamed"
working_directory = "${directory}"
umask   = "077"
limits  = { nofile = "100:200", core = "0" }`,
    );
    await using client = await connect(await rig.port("fixture"));
    const report = await askReport(client);
    expect(report).toMatchObject({
      umask: 0o077,
      workingDirectory: rig.directory,
      arguments: ["-renamed", "one", "two words", ""],
    });
    expect(report.limits).toMatchObject({ nofile: { soft: 100, hard: 200 }, core: { soft: 0, hard: 0 } });
  });

  needs(asRoot)("is its user, with the groups of that user and no right that root had", async () => {
    const report = await reportOf("");
    const [uid, gid] = [identity("-u"), identity("-g")].flat();
    expect(report).toMatchObject({ uids: [uid, uid, uid], gids: [gid, gid, gid], groups: identity("-G") });
    expect(report.status).toMatchObject({ CapInh: none, CapPrm: none, CapEff: none, CapAmb: none });
  });

  needs(asRoot)("has the group and groups that are declared, by name or number", async () => {
    const report = await reportOf('group = "daemon"\ngroups = ["tty", "4321"]');
    expect(report).toMatchObject({ gids: [1, 1, 1] });
    expect(report.groups.sort((a, b) => a - b)).toEqual([5, 4321]);
  });

  needs(asRoot)("may stay root where that is declared", async () => {
    const report = await reportOf('user = "root"');
    expect(report).toMatchObject({ uids: [0, 0, 0], gids: [0, 0, 0] });
    expect(report.status.NoNewPrivs).toBe("0");
  });
});

async function reportOf(keys: string): Promise<HandlerReport> {
  await using rig = await startFixture(keys);
  await using client = await connect(await rig.port("fixture"));
  return await askReport(client);
}

function plain({ fd, target, flags, closeOnExec }: HandlerReport["descriptors"][number]) {
  return { fd, target, blocking: (flags & constants.O_NONBLOCK) === 0, closeOnExec };
}

/** The daemon's own, which the handlers share by default. */
function stderrOf(rig: Rig): string {
  return readlinkSync(`/proc/${rig.pid}/fd/2`);
}

/** Ids of the user that the rig's services run as. */
function identity(option: string): number[] {
  return execFileSync("id", [option, "nobody"], { encoding: "utf8" }).trim().split(" ").map(Number);
}
