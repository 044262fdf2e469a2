/** `tinetd run`: how it begins, and how it does not. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, watch } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { startDaemon } from "../rig/daemon.ts";
import { asNobody, type Folder, main, makeFolder, tinetd } from "./tinetd.ts";

const service = (listen: string) =>
  `[services.echo]\nlisten = ${JSON.stringify(listen.split(" "))}\ncommand = "cat"\n${asNobody}`;

test("--strict: a port in use ends the start with 1, and nothing is left bound", async () => {
  using folder = makeFolder();
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const node = join(folder.path, "node.sock");
  const config = folder.write("inetd.toml", service(`127.0.0.1:${port} ${node}`));
  const { code, stderr } = await tinetd(["run", "--strict", "-c", config], inFolder(folder));
  expect(code).toBe(1);
  const lines = stderr.trimEnd().split("\n");
  expect(lines.filter((line) => !line.startsWith("{"))).toEqual([
    "tinetd: not every listener could be bound (--strict)",
  ]);
  expect(stderr).toContain(`address in use by pid ${process.pid}`);
  expect(nodesIn(folder)).toEqual([]);
  server.close();
});

test("errors of the text: all of them, each with its position and a hint, and nothing is started", async () => {
  using folder = makeFolder();
  const config = folder.write(
    "inetd.toml",
    `[services.one]\nlisen = 7\ncommand = "cat"\n${asNobody}\n` +
      `[services.two]\nlisten = "127.0.0.1:0"\nstop_timeout = "soon"\ncommand = "cat"\n${asNobody}`,
  );
  const { code, stdout, stderr } = await tinetd(["run", "-c", config], inFolder(folder));
  expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
  const lines = stderr.trimEnd().split("\n");
  expect(lines.at(-1)).toMatch(/^tinetd: \d errors in the configuration/);
  for (const line of lines.slice(0, -1)) expect(line).toMatch(new RegExp(`^${config}:\\d+:\\d+: `));
  expect(lines.find((line) => line.includes("lisen"))).toMatch(/:2:1: .*did you mean `listen`/);
  expect(lines.find((line) => line.includes("stop_timeout"))).toMatch(/:\d+:1[0-9]: /);
  expect(nodesIn(folder)).toEqual([]);
});

test("a second daemon on the same control socket refuses to start and names the first", async () => {
  await using rig = await startDaemon(service("127.0.0.1:0"));
  const { code, stderr } = await tinetd(["run", "-c", rig.configPath], {
    environment: { RUNTIME_DIRECTORY: rig.directory },
  });
  expect(code).toBe(1);
  expect(stderr.trimEnd().split("\n")).toContain(
    `tinetd: cannot make the control socket ${rig.controlSocket}: address in use by pid ${rig.pid}`,
  );
  expect((await rig.status()).daemon.pid).toBe(rig.pid);
});

test("--ready-fd: a descriptor that is not there ends the start, and nothing runs on", async () => {
  using folder = makeFolder();
  const config = folder.write("inetd.toml", service(`127.0.0.1:0 ${folder.path}/node.sock`));
  const { code, stderr } = await tinetd(["run", "-c", config, "--ready-fd", "99"], inFolder(folder));
  expect(code).toBe(1);
  expect(stderr.trimEnd().split("\n")).toContain("tinetd: --ready-fd 99: EBADF");
  expect(nodesIn(folder)).toEqual([]);
  expect(await tinetd(["run", "-c", config, "--ready-fd", "x"], inFolder(folder))).toEqual({
    code: 2,
    stdout: "",
    stderr: 'tinetd: --ready-fd: expected the number of a descriptor, not "x"\n',
  });
});

test("a log that cannot be written to ends the start", async () => {
  using folder = makeFolder();
  const path = join(folder.path, "absent", "tinetd.log");
  const config = folder.write("inetd.toml", `[daemon]\nlog = { destination = "${path}" }\n`);
  expect(await tinetd(["run", "-c", config], inFolder(folder))).toEqual({
    code: 1,
    stdout: "",
    stderr: `tinetd: cannot log to ${path}: ENOENT\n`,
  });
  expect(nodesIn(folder)).toEqual([]);
});

test("a configuration without a service runs, and can be asked and stopped", async () => {
  await using rig = await startDaemon("");
  expect((await rig.status()).services).toEqual([]);
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
});

test("pretty lines are for people, without colours where no terminal is", async () => {
  using folder = makeFolder();
  const config = folder.write("inetd.toml", service("127.0.0.1:0"));
  const daemon = startRun(folder, ["-c", config, "--log-format", "pretty"]);
  await daemon.said;
  daemon.kill("SIGTERM");
  const { code, stderr } = await daemon.outcome;
  expect(code).toBe(0);
  expect(stderr).toMatch(/^\d\d:\d\d:\d\d "echo" listens on tcp:\/\/127\.0\.0\.1:\d+$/m);
  expect(stderr).not.toContain("\u001b");
});

test("a signal that comes while it starts ends it, and leaves no node", async () => {
  for (let round = 0; round < 5; round++) {
    using folder = makeFolder();
    const config = folder.write("inetd.toml", service(`${folder.path}/node.sock localhost:0`));
    const changes = watch(folder.path);
    const daemon = startRun(folder, ["-c", config]);
    await once(changes, "change");
    daemon.kill("SIGTERM");
    changes.close();
    const { code, signal } = await daemon.outcome;
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(nodesIn(folder)).toEqual([]);
  }
});

function inFolder(folder: Folder) {
  return { environment: { RUNTIME_DIRECTORY: folder.path } };
}

function nodesIn({ path }: Folder): string[] {
  return ["node.sock", "control.sock"].filter((name) => existsSync(join(path, name)));
}

function startRun(folder: Folder, args: readonly string[]) {
  const child = spawn(process.execPath, [main, "run", ...args], {
    env: { PATH: process.env.PATH, RUNTIME_DIRECTORY: folder.path },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const outcome = Promise.all([ended, text(child.stderr)]).then(([[code, signal], stderr]) => {
    return { code, signal, stderr };
  });
  return { kill: (signal: NodeJS.Signals) => child.kill(signal), said: once(child.stderr, "data"), outcome };
}
