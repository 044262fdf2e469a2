/** `--pid-file`: whose it is, how long, and what becomes of one that somebody else has left or put there. */
import { existsSync, readFileSync, renameSync, statSync, symlinkSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ask } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import type { Rig } from "../rig/rig.ts";
import { asNobody, type Folder, makeFolder, tinetd } from "./tinetd.ts";

const service = '[services.echo]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n';

const start = (pidFile: string): Promise<Rig> => startDaemon(service, { args: ["--pid-file", pidFile] });

/** A daemon that is expected not to start. */
const refused = (folder: Folder, pidFile: string) =>
  tinetd(["run", "-c", folder.write("other.toml", `${service}${asNobody}`), "--pid-file", pidFile], {
    environment: { RUNTIME_DIRECTORY: folder.path },
  });

test("it holds the pid in a line of its own, readable for all, and goes with the daemon", async () => {
  using folder = makeFolder();
  const pidFile = join(folder.path, "pid");
  await using rig = await start(pidFile);
  expect(readFileSync(pidFile, "utf8")).toBe(`${rig.pid}\n`);
  expect(statSync(pidFile).mode & 0o777).toBe(0o644);
  expect(await rig.stop()).toMatchObject({ code: 0 });
  expect(existsSync(pidFile)).toBe(false);
});

test("whoever sees it sees it whole", async () => {
  using folder = makeFolder();
  const pidFile = join(folder.path, "pid");
  const seen: string[] = [];
  const watcher = watch(folder.path, (_, name) => {
    if (name !== "pid") return;
    try {
      seen.push(readFileSync(pidFile, "utf8"));
    } catch {
      // Gone again.
    }
  });
  await using rig = await start(pidFile);
  watcher.close();
  expect(seen.length).toBeGreaterThan(0);
  expect(new Set(seen)).toEqual(new Set([`${rig.pid}\n`]));
});

test("a second daemon refuses to start, names the pid, and leaves the file and the first alone", async () => {
  using folder = makeFolder();
  const pidFile = join(folder.path, "pid");
  await using rig = await start(pidFile);
  const { code, stderr } = await refused(folder, pidFile);
  expect(code).toBe(1);
  expect(stderr.trimEnd()).toBe(`tinetd: ${pidFile} belongs to a daemon that runs (pid ${rig.pid})`);
  expect(readFileSync(pidFile, "utf8")).toBe(`${rig.pid}\n`);
  expect(await ask(await rig.port("echo"), "hello")).toBe("hello");
});

test("of two that start at once one runs", async () => {
  using folder = makeFolder();
  const pidFile = join(folder.path, "pid");
  const started = await Promise.allSettled([start(pidFile), start(pidFile), start(pidFile)]);
  const running = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  for (const rig of running) await rig[Symbol.asyncDispose]();
  expect(running).toHaveLength(1);
  for (const each of started) {
    if (each.status === "rejected") expect(`${each.reason}`).toContain(`${pidFile} belongs to a daemon`);
  }
});

test("one that a killed daemon has left is replaced, whoever has its pid now", async () => {
  using folder = makeFolder();
  const pidFile = join(folder.path, "pid");
  {
    await using rig = await start(pidFile);
    rig.signal("SIGKILL");
    await rig.exited;
  }
  expect(existsSync(pidFile)).toBe(true);
  // As if the number were in use again.
  writeFileSync(pidFile, `${process.pid}\n`);
  await using rig = await start(pidFile);
  expect(readFileSync(pidFile, "utf8")).toBe(`${rig.pid}\n`);
});

test("one that somebody else has put in its place stays", async () => {
  using folder = makeFolder();
  const pidFile = join(folder.path, "pid");
  await using rig = await start(pidFile);
  writeFileSync(`${pidFile}.new`, "1\n");
  renameSync(`${pidFile}.new`, pidFile);
  expect(await rig.stop()).toMatchObject({ code: 0 });
  expect(readFileSync(pidFile, "utf8")).toBe("1\n");
});

test("no link is followed, and what it leads to is left as it is", async () => {
  using folder = makeFolder();
  const [pidFile, target] = [join(folder.path, "pid"), join(folder.path, "precious")];
  writeFileSync(target, "precious");
  symlinkSync(target, pidFile);
  const { code, stderr } = await refused(folder, pidFile);
  expect(code).toBe(1);
  expect(stderr.trimEnd()).toBe(`tinetd: cannot write ${pidFile}: ELOOP`);
  expect(readFileSync(target, "utf8")).toBe("precious");
});

test("a place where it cannot be written ends the start before anything is bound", async () => {
  using folder = makeFolder();
  const pidFile = join(folder.path, "absent", "pid");
  const { code, stderr } = await refused(folder, pidFile);
  expect(code).toBe(1);
  expect(stderr.trimEnd()).toBe(`tinetd: cannot write ${pidFile}: ENOENT`);
});

test("a daemon that does not get to be ready leaves none", async () => {
  using folder = makeFolder();
  const pidFile = join(folder.path, "pid");
  const config = folder.write("inetd.toml", '[daemon]\ncontrol_socket = "/proc/nowhere/control.sock"\n');
  expect(await tinetd(["run", "-c", config, "--pid-file", pidFile])).toMatchObject({ code: 1 });
  expect(existsSync(pidFile)).toBe(false);
});
