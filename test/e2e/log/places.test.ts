/** Places that the log goes to and that a test has to make: a full file system, the journal, a journal's stream. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { main, makeFolder } from "../cli/tinetd.ts";
import { ask } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { asRoot, needs, program } from "../rig/needs.ts";
import { eventually } from "../rig/proc.ts";
import { decodeJournal, receiver } from "./receiver.ts";

/** Runs a script in a mount namespace of its own, then the daemon. */
const mounting = (script: string) => ["unshare", "--mount", "sh", "-ec", `${script}\nexec "$@"`, "sh"];

needs(asRoot, program("unshare"))(
  "the disk is full: clients are served, and when there is room again the log says how much it lacks",
  async () => {
    using folder = makeFolder();
    await using rig = await startDaemon(
      ({ directory }) => `[daemon]\nlog = { destination = "${folder.path}/log" }
       [services.cat]\nlisten = "${directory}/cat.sock"\ncommand = "cat"`,
      { launcher: mounting(`mount -t tmpfs -o size=64k tinetd "${folder.path}"`) },
    );
    const inside = `/proc/${rig.pid}/root${folder.path}`;
    const log = () => readFileSync(`${inside}/log`, "utf8");
    const node = join(rig.directory, "cat.sock");
    await eventually("the daemon is ready", () => log().includes("daemon.ready"));
    expect(() => writeFileSync(`${inside}/filler`, Buffer.alloc(1024 * 1024))).toThrow("ENOSPC");
    // What is left of the log's last page is soon full too.
    for (let round = 0; round < 30; round++) expect(await ask(node, "hello")).toBe("hello");
    rmSync(`${inside}/filler`);
    for (let round = 0; round < 3; round++) expect(await ask(node, "hello")).toBe("hello");
    await eventually("the loss is told of", () => /"dropped":\d+/.test(log()));
    const lines = log().trimEnd().split("\n");
    // A line that was cut off is the only one that is none.
    expect(lines.filter((line) => !isJson(line)).length).toBeLessThanOrEqual(1);
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ level: expect.any(String) });
  },
);

needs(asRoot, program("unshare"))("a daemon whose log is the journal", async () => {
  using folder = makeFolder();
  using journal = receiver(join(folder.path, "socket"));
  const mounts = [
    "mount -t tmpfs tinetd /run",
    "mkdir -p /run/systemd/journal",
    `mount --bind "${folder.path}" /run/systemd/journal`,
  ];
  await using rig = await startDaemon(
    ({ directory }) => `[daemon]\nlog = { destination = "journal" }
     [services.cat]\nlisten = "${directory}/cat.sock"\ncommand = "cat"`,
    { launcher: mounting(mounts.join("\n")) },
  );
  expect(await ask(join(rig.directory, "cat.sock"), "hello")).toBe("hello");
  await rig.stop();
  const events = journal.take().map((datagram) => decodeJournal(datagram).TINETD_EVENT);
  expect(events[0]).toBe("service.listening");
  expect(events).toEqual(
    expect.arrayContaining(["daemon.ready", "connection.accepted", "connection.closed"]),
  );
  expect(rig.events).toEqual([]);
});

needs(asRoot, program("unshare"))("where there is no journal the daemon says so, and serves", async () => {
  await using rig = await startDaemon(
    ({ directory }) => `[daemon]\nlog = { destination = "journal" }
     [services.cat]\nlisten = "${directory}/cat.sock"\ncommand = "cat"`,
    { launcher: mounting("mount -t tmpfs tinetd /run") },
  );
  expect(await ask(join(rig.directory, "cat.sock"), "hello")).toBe("hello");
  await rig.stop();
  expect(rig.otherLines).toEqual([
    "tinetd: cannot log to the journal: /run/systemd/journal/socket: ENOENT; lines are lost until it is there",
  ]);
});

test.each(["the journal's", "another"])("lines on stderr, which is %s", async (whose) => {
  using folder = makeFolder();
  const log = join(folder.path, "stderr");
  const stderr = openSync(log, "a");
  const { dev, ino } = fstatSync(stderr);
  const node = join(folder.path, "false.sock");
  const user = process.getuid?.() === 0 ? 'user = "nobody"' : "";
  const config = folder.write(
    "inetd.toml",
    `[services.s]\nlisten = "${node}"\ncommand = "/nonexistent"\n${user}`,
  );
  const child = spawn(process.execPath, [main, "run", "-c", config, "--ready-fd", "3"], {
    env: {
      PATH: process.env.PATH,
      RUNTIME_DIRECTORY: folder.path,
      JOURNAL_STREAM: whose === "another" ? `${dev}:${ino + 1}` : `${dev}:${ino}`,
    },
    stdio: ["ignore", "ignore", stderr, "pipe"],
  });
  closeSync(stderr);
  const exited = once(child, "exit");
  await once(child.stdio[3] ?? child, "data");
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  const lines = readFileSync(log, "utf8").trimEnd().split("\n");
  const prefixes = lines.map((line) => line.slice(0, line.indexOf("{")));
  const severities = { info: "<6>", warn: "<4>", error: "<3>" } as Record<string, string>;
  const expected = lines.map((line) => {
    const { level } = JSON.parse(line.slice(line.indexOf("{"))) as { level: string };
    return whose === "another" ? "" : severities[level];
  });
  expect(prefixes).toEqual(expected);
  expect(new Set(prefixes).size).toBe(whose === "another" ? 1 : 3);
});

test("SIGUSR1 opens no inspector, not even before there is a log to open again", async () => {
  using folder = makeFolder();
  const preload = folder.write(
    "preload.cjs",
    // When the addon is loaded: long before the daemon has a log, or handles signals.
    `const extensions = require("node:module")._extensions;
     const load = extensions[".node"];
     extensions[".node"] = (...args) => { process.kill(process.pid, "SIGUSR1"); return load(...args); };`,
  );
  await using rig = await startDaemon(
    ({ directory }) => `[services.cat]\nlisten = "${directory}/cat.sock"\ncommand = "cat"`,
    { environment: { NODE_OPTIONS: `--require ${preload}` } },
  );
  expect(await ask(join(rig.directory, "cat.sock"), "hello")).toBe("hello");
  await rig.stop();
  expect(rig.otherLines).toEqual([]);
});

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
