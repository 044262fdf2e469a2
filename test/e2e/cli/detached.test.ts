/** `tinetd run --daemon` and `--pid-file`: for systems that start daemons that way. */
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ask } from "../rig/client.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import { asNobody, type Folder, main, makeFolder } from "./tinetd.ts";

test("--daemon returns when clients are served; its pid file keeps a second one out and goes at the end", async () => {
  using folder = makeFolder();
  const node = join(folder.path, "echo.sock");
  const pidFile = join(folder.path, "tinetd.pid");
  folder.write("inetd.toml", `[services.echo]\nlisten = "${node}"\ncommand = "cat"\n${asNobody}`);
  const started = runDetached(folder, ["--pid-file", pidFile]);
  const pid = Number(readFileSync(pidFile, "utf8"));
  try {
    expect(started.code).toBe(0);
    expect(await ask(node, "hello")).toBe("hello");
    expect(sessionOf(pid)).toBe(pid);

    const second = runDetached(folder, ["--pid-file", pidFile]);
    expect(second.code).toBe(1);
    expect(second.log).toMatch(new RegExp(`^tinetd: .*${pidFile}.*${pid}`, "m"));
    expect(await ask(node, "hello")).toBe("hello");
  } finally {
    process.kill(pid, "SIGTERM");
    await eventually("the daemon has ended", () => !isAlive(pid));
  }
  expect([node, pidFile].filter(existsSync)).toEqual([]);
});

test("--daemon that cannot start exits with the daemon's own code and words", () => {
  using folder = makeFolder();
  folder.write("inetd.toml", '[daemon]\ncontrol_socket = "/proc/nowhere/control.sock"\n');
  const { code, log } = runDetached(folder, []);
  expect(code).toBe(1);
  expect(log).toMatch(/^tinetd: cannot make the control socket \/proc\/nowhere\/control.sock: /m);
});

/** The log goes to a file: the daemon keeps its stderr, and whoever read that from a pipe would wait for its end. */
function runDetached({ path }: Folder, args: readonly string[]): { code: number | null; log: string } {
  const logPath = join(path, "log");
  const log = openSync(logPath, "w");
  const { status } = spawnSync(
    process.execPath,
    [main, "run", "--daemon", "-c", join(path, "inetd.toml"), ...args],
    { env: { PATH: process.env.PATH, RUNTIME_DIRECTORY: path }, stdio: ["ignore", "ignore", log] },
  );
  closeSync(log);
  return { code: status, log: readFileSync(logPath, "utf8") };
}

function sessionOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3]);
}
