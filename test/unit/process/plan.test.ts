import { describe, expect, test } from "vitest";
import type { Facts } from "../../../src/process/machine.ts";
import { type Limits, planHandler } from "../../../src/process/plan.ts";
import { service } from "../config/memory.ts";

const facts: Facts = {
  file: "/usr/bin/cat",
  user: { name: "www", uid: 33, gid: 33, home: "/srv", shell: "/bin/sh" },
  credentials: { uid: 33, gid: 33, groups: [33, 44] },
  passed: [["TZ", "UTC"]],
  environmentFiles: [[["FROM", "file"]]],
};

const limits: Limits = {
  constants: { RLIMIT_NOFILE: 7, RLIMIT_CORE: 4, RLIMIT_AS: 9, RLIMIT_NPROC: 6, CAP_NET_RAW: 13 },
  hardLimit: (resource) => ({ 7: 20_000, 4: -1, 9: -1, 6: 500 })[resource] ?? -1,
  priority: { nice: null, oomScoreAdjust: 0 },
};

const plan = (keys: string) =>
  planHandler(service(`[services.s]\nlisten = 1\ncommand = ["cat", "-u"]\n${keys}`), facts, limits);

test("everything is resolved: file, words, identity, places", () => {
  const { spawn } = plan(
    'working_directory = "/srv"\numask = "027"\nargv0 = "-cat"\nnice = 5\noom_score_adjust = 9',
  );
  expect(spawn).toMatchObject({
    file: "/usr/bin/cat",
    argv: ["-cat", "-u"],
    workingDirectory: "/srv",
    umask: 0o027,
    credentials: facts.credentials,
    rootDirectory: null,
    nice: 5,
    oomScoreAdjust: 9,
    capabilities: [],
    noNewPrivileges: true,
  });
});

test("the priority is the usual one where none is declared", () => {
  expect(plan("").spawn).toMatchObject({ nice: null, oomScoreAdjust: 0 });
});

test("the first word stays the one of the command where no other is declared", () => {
  expect(plan("").spawn.argv).toEqual(["cat", "-u"]);
});

test("capabilities that nobody has declared are root's alone", () => {
  expect(plan("").spawn.capabilities).toEqual([]);
  const root = { ...facts, user: { ...facts.user, uid: 0 } };
  const asRoot = service('[services.s]\nlisten = 1\ncommand = "cat"\nuser = "root"');
  expect(planHandler(asRoot, root, limits).spawn.capabilities).toBeNull();
});

test("capabilities become numbers, and one that this machine does not know is a bug", () => {
  expect(plan('capabilities = ["CAP_NET_RAW"]').spawn.capabilities).toEqual([13]);
  expect(() => plan('capabilities = ["CAP_SYS_TIME"]')).toThrow("CAP_SYS_TIME");
});

describe("the environment", () => {
  test("is built from the sources, and what the service itself sets is known by name", () => {
    const { spawn, chosen } = plan("environment = { LANG = 'C' }");
    expect(spawn.environment).toEqual([
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "TINETD_SERVICE=s",
      "USER=www",
      "HOME=/srv",
      "LOGNAME=www",
      "SHELL=/bin/sh",
      "TZ=UTC",
      "FROM=file",
      "LANG=C",
    ]);
    expect([...chosen]).toEqual(["TZ", "FROM", "LANG"]);
  });

  test("has LISTEN_* with connection_fd = 3 alone, the pid for the spawn to fill in", () => {
    const listen = (keys: string) =>
      plan(keys).spawn.environment.filter((entry) => entry.startsWith("LISTEN_"));
    expect(listen("")).toEqual([]);
    expect(listen("connection_fd = 3")).toEqual(["LISTEN_FDS=1", "LISTEN_FDNAMES=connection", "LISTEN_PID="]);
  });
});

describe("limits", () => {
  const nofile = 7;
  test.each([
    ["by default the soft one of files is 1024", "", { soft: 1024, hard: 20_000 }],
    ["HARD is the daemon's own", '"4096:HARD"', { soft: 4096, hard: 20_000 }],
    ["one value is both", '"100"', { soft: 100, hard: 100 }],
    ["a soft one above the hard one comes down to it", '"30000:HARD"', { soft: 20_000, hard: 20_000 }],
    ["an unlimited one comes down to it too", '"unlimited:HARD"', { soft: 20_000, hard: 20_000 }],
    ["unlimited is unlimited", '"unlimited"', { soft: -1, hard: -1 }],
    ["a number is below unlimited", '"64:unlimited"', { soft: 64, hard: -1 }],
  ])("%s", (_, value, expected) => {
    const keys = value === "" ? "" : `limits = { nofile = ${value} }`;
    expect(plan(keys).spawn.limits).toEqual([{ resource: nofile, ...expected }]);
  });

  test("only those that are declared are set, whatever the daemon's are", () => {
    expect(plan('limits = { core = "0", as = "1G" }').spawn.limits).toEqual(
      expect.arrayContaining([
        { resource: 4, soft: 0, hard: 0 },
        { resource: 9, soft: 2 ** 30, hard: 2 ** 30 },
        { resource: nofile, soft: 1024, hard: 20_000 },
      ]),
    );
    expect(plan('limits = { core = "0", as = "1G" }').spawn.limits).toHaveLength(3);
  });
});
