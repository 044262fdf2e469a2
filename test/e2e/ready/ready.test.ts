/** How a worker shows that it is ready, in each of the ways there are, and what becomes of one that does not. */
import { execFileSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { statusOf } from "../core/tools.ts";
import { ask, connect, readAll } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import type { Rig } from "../rig/rig.ts";

const program = fileURLToPath(new URL("worker.py", import.meta.url));

function startWorker(how: string, keys: string, listen?: (directory: string) => string): Promise<Rig> {
  return startDaemon(({ directory }) => {
    const copy = join(directory, "worker.py");
    copyFileSync(program, copy);
    return `
[services.worker]
listen  = "${listen?.(directory) ?? "127.0.0.1:0"}"
handoff = "listen"
stderr  = "log"
command = ["/usr/bin/python3", "-E", "${copy}", "${how}"]
${keys}
`;
  });
}

test.each([
  ["notify", 'ready = "notify"'],
  ["child", 'ready = "notify"'],
  ["fd", 'ready = "fd"'],
  ["log", 'ready = { log = "now listening" }'],
])("by %s: the event comes, and the client is served", async (how, keys) => {
  await using rig = await startWorker(how, keys);
  expect(await readAll(await rig.port("worker"))).toBe("served\n");
  const { pid } = await rig.event("handler.started");
  expect(await rig.event("handler.ready")).toMatchObject({ pid });
  expect(rig.events.filter(({ event }) => event === "handler.ready")).toHaveLength(1);
});

test("by http: asked until the answer is good", async () => {
  await using rig = await startWorker("http", 'ready = { http = "/healthz" }', (place) => `unix:${place}/s`);
  expect(await ask(join(rig.directory, "s"), "GET / HTTP/1.1\r\n\r\n")).toContain("served");
  await rig.event("handler.ready");
});

test.each(["127.0.0.1:0", "*:0"])("by http at the port that was free, of %s", async (listen) => {
  await using rig = await startWorker("http", 'ready = { http = "/healthz" }', () => listen);
  expect(await ask(await rig.port("worker"), "GET / HTTP/1.1\r\n\r\n")).toContain("served");
  await rig.event("handler.ready");
});

test("nobody else's word counts: one who is no process of the worker's is ignored", async () => {
  await using rig = await startWorker("tell", 'ready = "notify"\nstart_timeout = "1500ms"');
  await using _client = await connect(await rig.port("worker"));
  const { text } = await rig.event("handler.stderr");
  expect(text).toMatch(/^@/);
  // As root, which may well reach the socket.
  execFileSync("/usr/bin/python3", [
    "-c",
    "import socket, sys; socket.socket(1, 2).sendto(b'READY=1', '\\0' + sys.argv[1][1:])",
    text,
  ]);
  expect((await statusOf(rig)).handlers).toMatchObject([{ state: "starting" }]);
  expect(await rig.event("handler.stopping")).toMatchObject({
    reason: "it was not ready within start_timeout",
  });
  expect(rig.events.some(({ event }) => event === "handler.ready")).toBe(false);
});

test("one that is never ready is stopped at start_timeout, and is a failed start", async () => {
  await using rig = await startWorker(
    "never",
    'ready = "fd"\nstart_timeout = "200ms"\nstart_limit = "1/10s"',
  );
  await using client = await connect(await rig.port("worker"));
  const { pid } = await rig.event("handler.exited", { signal: "SIGTERM" });
  expect(await rig.event("handler.stopping", { pid })).toMatchObject({
    reason: "it was not ready within start_timeout",
  });
  await rig.event("service.state", { state: "failed" });
  expect((await statusOf(rig)).start_failures).toBe(1);
  // The client waits for a better one.
  expect(client.socket.readyState).toBe("open");
});

test("one that does not say WATCHDOG=1 in time is ended by SIGABRT", async () => {
  await using rig = await startWorker("hang", 'ready = "notify"\nwatchdog = "300ms"');
  await using _client = await connect(await rig.port("worker"));
  await rig.event("handler.ready");
  expect(await rig.event("handler.stopping")).toMatchObject({
    signal: "SIGABRT",
    reason: "it has not said WATCHDOG=1 in time",
  });
  expect(await rig.event("handler.exited")).toMatchObject({ signal: "SIGABRT" });
});

test.each([
  ["always", "SIGTERM", 2],
  ["on-failure", "SIGKILL", 2],
  ["no", "SIGKILL", 1],
] as const)(
  "kept warm: exactly one runs, and restart = %s after %s makes %d",
  async (restart, signal, spawned) => {
    await using rig = await startWorker(
      "notify",
      `ready = "notify"\nworkers = { min = 1, max = 2 }\nrestart = "${restart}"`,
    );
    const { pid } = await rig.event("handler.ready");
    expect((await statusOf(rig)).handlers).toHaveLength(1);
    process.kill(pid, signal);
    const exited = await rig.event("handler.exited", { pid, signal });
    if (spawned === 2) await rig.event("handler.ready", {}, { after: exited });
    expect((await statusOf(rig)).spawned).toBe(spawned);
    expect(await readAll(await rig.port("worker"))).toBe("served\n");
  },
);
