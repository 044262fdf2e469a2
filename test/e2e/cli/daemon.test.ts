/** `tinetd run --daemon` from a terminal, and when there is nothing to detach. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { ask } from "../rig/client.ts";
import { needs, pathOf, program } from "../rig/needs.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import { asNobody, type Folder, main, makeFolder, tinetd } from "./tinetd.ts";

needs(program("script"))("a daemon lives on without the terminal that it was started from", async () => {
  using folder = makeFolder();
  const node = join(folder.path, "echo.sock");
  const pidFile = join(folder.path, "pid");
  folder.write("inetd.toml", `[services.echo]\nlisten = "${node}"\ncommand = "cat"\n${asNobody}`);

  // script(1) gives its command a terminal, passes its exit status on, and hangs the terminal up when it has ended.
  const words = [
    process.execPath,
    main,
    "run",
    "--daemon",
    "-c",
    join(folder.path, "inetd.toml"),
    "--pid-file",
    pidFile,
  ];
  const script = spawn(pathOf("script"), ["-qec", words.join(" "), "/dev/null"], {
    env: { PATH: process.env.PATH, RUNTIME_DIRECTORY: folder.path, TERM: "dumb" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [shown, [code]] = await Promise.all([
    text(script.stdout),
    once(script, "exit") as Promise<[number | null]>,
  ]);
  const pid = Number(readFileSync(pidFile, "utf8"));
  try {
    expect(code).toBe(0);
    // Until it is ready, whoever has started it reads its lines; and there is no other than its own.
    expect(shown).toContain(`listens on unix:${node}`);
    expect(shown).toContain("ready: 1 service");
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [, parent, group, session, terminal] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    expect({ group, session, terminal }).toEqual({ group: pid, session: pid, terminal: 0 });
    expect(parent).not.toBe(process.pid);
    const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(targets.filter((target) => target.includes("/pts") || target.includes("tty"))).toEqual([]);
    for (const fd of [0, 1, 2]) expect(readlinkSync(`/proc/${pid}/fd/${fd}`)).toBe("/dev/null");
    expect(await ask(node, "hello")).toBe("hello");
  } finally {
    process.kill(pid, "SIGTERM");
    await eventually("the daemon has ended", () => !isAlive(pid));
  }
});

test("an invalid configuration: the exit code and the words of `check`, and no daemon", async () => {
  using folder = makeFolder();
  const config = folder.write("inetd.toml", `[services.echo]\nlisen = 7\ncommand = "cat"\n${asNobody}`);
  const { code, stderr } = await detached(folder);
  expect(code).toBe(78);
  expect(stderr).toContain(`${config}:2:1: `);
});

test("--strict: a port in use ends it with 1 and a reason, and no daemon is left", async () => {
  using folder = makeFolder();
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  folder.write("inetd.toml", `[services.echo]\nlisten = "127.0.0.1:${port}"\ncommand = "cat"\n${asNobody}`);
  const { code, stderr } = await detached(folder, "--strict");
  server.close();
  expect(code).toBe(1);
  // That stderr has come to its end shows that nobody has it any more.
  expect(stderr).toContain(`address in use by pid ${process.pid}`);
  expect(stderr).toMatch(/^tinetd: not every listener could be bound \(--strict\)$/m);
});

test("--ready-fd beside it is wrong usage", async () => {
  using folder = makeFolder();
  folder.write("inetd.toml", `[services.echo]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n${asNobody}`);
  expect(await detached(folder, "--ready-fd", "9")).toMatchObject({ code: 2 });
});

function detached({ path }: Folder, ...args: string[]): ReturnType<typeof tinetd> {
  return tinetd(["run", "--daemon", "-c", join(path, "inetd.toml"), ...args], {
    environment: { RUNTIME_DIRECTORY: path },
  });
}
