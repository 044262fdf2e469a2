/** `tinetd serve`: one service with no file. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { ask, connect } from "../rig/client.ts";
import { descendantsOf } from "../rig/proc.ts";
import { main, makeFolder, tinetd } from "./tinetd.ts";

const user = process.getuid?.() === 0 ? ["--user", "nobody"] : [];

test("serves a command whose own options stay its own", async () => {
  await using serving = await serve(["127.0.0.1:0", ...user, "--", "head", "-c", "3"]);
  expect(await ask(serving.port, "abc")).toBe("abc");
  expect(await serving.stop()).toBe(0);
});

test("takes the keys of a service as options", async () => {
  await using serving = await serve([
    "127.0.0.1:0",
    ...user,
    "--max-instances=1",
    "--on-limit=refuse",
    "--refusal=full",
    "--",
    "cat",
  ]);
  await using first = await connect(serving.port);
  first.write("hello\n");
  expect(await first.line()).toBe("hello");
  await using second = await connect(serving.port);
  expect((await second.rest()).toString()).toBe("full");
  expect(descendantsOf(serving.pid)).toHaveLength(1);
});

test("answers `status` where it is told to, and nowhere else", async () => {
  using folder = makeFolder();
  const socket = `${folder.path}/serve.sock`;
  await using serving = await serve(["127.0.0.1:0", ...user, "--control-socket", socket, "--", "cat"]);
  const { code, stdout } = await tinetd(["status", "--json", "--control-socket", socket]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout).services[0].listeners[0].address).toBe(`tcp://127.0.0.1:${serving.port}`);
});

test("a wrong value, no command, no user as root: each told by the option's name", async () => {
  const told = async (...args: string[]) => (await tinetd(["serve", ...args])).stderr;
  expect(await told("127.0.0.1:0", ...user, "--max-instances", "five", "--", "cat")).toContain(
    'command line: --max-instances: expected a whole number of at least 1, not "five"\n',
  );
  expect(await told("127.0.0.1:0", ...user)).toMatch(/needs a command/);
  expect(await told("127.0.0.1:0", ...user, "--no-such-key", "1", "--", "cat")).toMatch(
    /^tinetd: unknown option '--no-such-key'/,
  );
});

interface Serving extends AsyncDisposable {
  pid: number;
  port: number;
  /** Ends it as Ctrl-C does, and waits for its exit code. */
  stop(): Promise<number | null>;
}

async function serve(args: readonly string[]): Promise<Serving> {
  const child: ChildProcess = spawn(process.execPath, [main, "serve", ...args], {
    env: { PATH: process.env.PATH, RUNTIME_DIRECTORY: "/nonexistent" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const { pid, stderr } = child;
  if (pid === undefined || stderr === null) throw new Error("it was not started");
  const stop = async () => {
    child.kill("SIGINT");
    const [code] = await exited;
    return code;
  };
  for await (const line of createInterface({ input: stderr })) {
    const port = /"address":"tcp:\/\/127\.0\.0\.1:(\d+)"/.exec(line)?.[1];
    if (port === undefined) continue;
    stderr.resume();
    return {
      pid,
      port: Number(port),
      stop,
      async [Symbol.asyncDispose]() {
        await stop();
      },
    };
  }
  throw new Error("it ended before it listened");
}
