/** The daemon's own log, where it cannot be written: that costs lines, and nothing else. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, existsSync, openSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { asNobody, type Folder, main, makeFolder } from "../cli/tinetd.ts";
import { ask } from "../rig/client.ts";
import { eventually } from "../rig/proc.ts";

test("whoever read stderr has gone: clients are served, and the daemon ends when it is told to", async () => {
  using folder = makeFolder();
  const daemon = await start(folder, "", "pipe");
  daemon.child.stderr?.destroy();
  for (let round = 0; round < 5; round++) expect(await ask(daemon.node, "hello")).toBe("hello");
  expect(await daemon.stop()).toEqual([0, null]);
  expect(existsSync(daemon.node)).toBe(false);
});

test("whoever reads stderr has stalled: clients are served, and the daemon ends when it is told to", async () => {
  using folder = makeFolder();
  const fifo = join(folder.path, "stalled");
  execFileSync("mkfifo", [fifo]);
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(fifo, constants.O_WRONLY);
  const daemon = await start(folder, "", writer);
  closeSync(writer);
  // Four lines each: far more than a pipe holds.
  for (let round = 0; round < 150; round++) expect(await ask(daemon.node, "hello")).toBe("hello");
  await daemon.stop();
  expect(existsSync(daemon.node)).toBe(false);
  closeSync(reader);
});

test("the disk is full: clients are served, and the daemon ends when it is told to", async () => {
  using folder = makeFolder();
  const daemon = await start(folder, '[daemon]\nlog = { destination = "/dev/full" }', "ignore");
  for (let round = 0; round < 5; round++) expect(await ask(daemon.node, "hello")).toBe("hello");
  expect(await daemon.stop()).toEqual([0, null]);
});

test("a file that was rotated away is left alone after SIGUSR1, and a new one made", async () => {
  using folder = makeFolder();
  const log = join(folder.path, "tinetd.log");
  const daemon = await start(folder, `[daemon]\nlog = { destination = "${log}" }`, "ignore");
  renameSync(log, `${log}.1`);
  await ask(daemon.node, "before");
  await eventually("the end is logged", () => readFileSync(`${log}.1`, "utf8").includes("connection.closed"));
  daemon.child.kill("SIGUSR1");
  await eventually("there is a new file", () => existsSync(log));
  await ask(daemon.node, "after");
  expect(await daemon.stop()).toEqual([0, null]);
  expect(readFileSync(log, "utf8")).toContain("connection.closed");
  expect(readFileSync(`${log}.1`, "utf8").match(/connection\.closed/g)).toHaveLength(1);
});

interface Daemon {
  child: ChildProcess;
  /** Of a service that is `cat`. */
  node: string;
  stop(): Promise<[number | null, NodeJS.Signals | null]>;
}

/** Without the rig, which reads the log. */
async function start(
  folder: Folder,
  daemonTable: string,
  stderr: "pipe" | "ignore" | number,
): Promise<Daemon> {
  const node = join(folder.path, "cat.sock");
  const config = folder.write(
    "inetd.toml",
    `[services.cat]\nlisten = "${node}"\ncommand = "cat"\n${asNobody}\n${daemonTable}\n`,
  );
  const child = spawn(process.execPath, [main, "run", "-c", config, "--ready-fd", "3"], {
    env: { PATH: process.env.PATH, RUNTIME_DIRECTORY: folder.path },
    stdio: ["ignore", "ignore", stderr, "pipe"],
  });
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const ready = child.stdio[3];
  if (ready === null || ready === undefined) throw new Error("no pipe on descriptor 3");
  await once(ready, "data");
  return {
    child,
    node,
    stop() {
      child.kill("SIGTERM");
      return exited;
    },
  };
}
