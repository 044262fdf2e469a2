/** How the daemon behind `proxy` comes and goes, and what becomes of its clients meanwhile. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { call } from "../control/tools.ts";
import { descriptorsAreBack, statusOf } from "../core/tools.ts";
import { ask, connect, readAll } from "../rig/client.ts";
import { getJson } from "../rig/control.ts";
import { eventually } from "../rig/proc.ts";
import { faulty, gate, ownAddress, startProxy } from "./tools.ts";

test("the first client starts the daemon, idleness stops it, the next client starts it again", async () => {
  await using rig = await startProxy({ keys: 'idle_timeout = "100ms"' });
  const port = await rig.port("it");
  expect(rig.descendants()).toEqual([]);
  let before = 0;
  const pids: string[] = [];
  for (let round = 0; round < 3; round++) {
    const client = await connect(port);
    pids.push(await client.command("pid"));
    client.end();
    expect((await client.rest()).toString()).toBe("");
    const stopping = await rig.event("handler.stopping", { pid: Number(pids.at(-1)) });
    expect(stopping).toMatchObject({ reason: "idle_timeout", signal: "SIGTERM" });
    await rig.event("handler.exited", { pid: Number(pids.at(-1)) });
    // Some are opened by the first start, and stay.
    if (round === 0) before = rig.descriptors();
  }
  expect(new Set(pids).size).toBe(3);
  const names = rig.events.map(({ event }) => event).filter((name) => /^(connection|handler)\./.test(name));
  expect(names.slice(0, 6)).toEqual([
    "connection.accepted",
    "handler.started",
    "handler.ready",
    "connection.closed",
    "handler.stopping",
    "handler.exited",
  ]);
  expect(await statusOf(rig)).toMatchObject({
    state: "listening",
    connections: 0,
    accepted: 3,
    refused: {},
    spawned: 3,
    start_failures: 0,
  });
  await descriptorsAreBack(rig, before);
});

test("clients are held until the daemon is ready, and as many as max_instances, the others wait in the kernel", async () => {
  const start = gate("start");
  await using rig = await startProxy({ words: start.word("gate"), keys: "max_instances = 3" });
  const port = await rig.port("it");
  const clients = await Promise.all(Array.from({ length: 5 }, () => connect(port)));
  const answers = clients.map((client, n) => client.command(`hello ${n}`));
  await rig.event("service.state", { state: "limited", reason: "limit" });
  expect(await statusOf(rig)).toMatchObject({
    accepted: 3,
    connections: 3,
    spawned: 1,
    handlers: [{ state: "starting", connections: 0 }],
  });
  await start.open(rig);
  // Each goes when it was served, and so lets another in.
  await Promise.all(
    clients.map(async (client, n) => {
      expect(await answers[n]).toBe(`hello ${n}`);
      client.end();
      await client.rest();
    }),
  );
  expect(await statusOf(rig)).toMatchObject({ accepted: 5, spawned: 1, refused: {} });
});

test('with on_limit = "refuse" nobody waits for room', async () => {
  await using rig = await startProxy({
    keys: 'max_instances = 1\non_limit = "refuse"\nrefusal = "full\\n"',
  });
  const port = await rig.port("it");
  await using first = await connect(port);
  expect(await first.command("one")).toBe("one");
  expect(await readAll(port)).toBe("full\n");
  expect(await rig.event("connection.refused")).toMatchObject({ reason: "limit" });
});

test("a client that asks and half-closes before the daemon is ready is served all the same", async () => {
  const start = gate("start");
  await using rig = await startProxy({ words: start.word("gate") });
  const answer = ask(await rig.port("it"), "copy\nall of it");
  await rig.event("connection.accepted");
  await start.open(rig);
  expect(await answer).toBe("all of it");
});

test.each([
  { kind: "TCP, with a reset", listen: () => "127.0.0.1:0", leave: "reset" },
  { kind: "a Unix socket", listen: (directory: string) => `unix:${directory}/it.sock`, leave: "close" },
] as const)("a client over $kind that goes while it waits is forgotten", async ({ listen, leave }) => {
  const start = gate("start");
  await using rig = await startProxy({ listen, words: start.word("gate") });
  const address = await rig.address("it");
  const target = address.startsWith("unix:") ? join(rig.directory, "it.sock") : await rig.port("it");
  const stays = await connect(target);
  const { connection: first } = await rig.event("connection.accepted");
  const goes = await connect(target);
  goes.write("never heard\n");
  const { connection } = await rig.event("connection.accepted", (event) => event.connection !== first);
  if (leave === "reset") goes.reset();
  else await goes[Symbol.asyncDispose]();
  expect(await rig.event("connection.closed")).toMatchObject({
    connection,
    pid: null,
    error: "the client went away before the worker was ready",
  });
  expect(await statusOf(rig)).toMatchObject({ connections: 1 });
  await start.open(rig);
  expect(await stays.command("still here")).toBe("still here");
});

test("a daemon that is not ready within start_timeout is stopped, and those who have waited so long are told", async () => {
  const start = gate("start");
  await using rig = await startProxy({
    words: start.word("gate"),
    keys: 'start_timeout = "300ms"\nstop_timeout = "100ms"\nrefusal = "sorry\\n"',
  });
  const port = await rig.port("it");
  expect(await readAll(port)).toBe("sorry\n");
  const refused = await rig.event("connection.refused");
  expect(refused).toMatchObject({
    reason: "timeout",
    error: "the worker was not ready within start_timeout",
  });
  expect(refused.connection).toBe((await rig.event("connection.accepted")).connection);
  const exited = await rig.event("handler.exited");
  expect(await statusOf(rig)).toMatchObject({ connections: 0, refused: { timeout: 1 }, start_failures: 1 });
  const before = rig.descriptors();
  expect(await readAll(port)).toBe("sorry\n");
  await rig.event("handler.exited", {}, { after: exited });
  await eventually("no more descriptors", () => rig.descriptors() <= before);
});

test("who comes while the daemon is being stopped waits for the next", async () => {
  const stop = gate("stop");
  await using rig = await startProxy({ words: stop.word("stop-gate"), keys: 'idle_timeout = "100ms"' });
  const port = await rig.port("it");
  const first = await connect(port);
  const pid = Number(await first.command("pid"));
  first.end();
  await rig.event("handler.stopping", { pid });
  const next = await connect(port);
  const answer = next.command("pid");
  expect(await statusOf(rig)).toMatchObject({
    accepted: 1,
    connections: 0,
    handlers: [{ state: "stopping" }],
  });
  await stop.open(rig);
  const started = await rig.event("handler.started", ({ pid: other }) => other !== pid);
  expect(Number(await answer)).toBe(started.pid);
  // It is to end without its gate.
  process.kill(started.pid, "SIGKILL");
});

test("a daemon that dies takes its connections along, and the next client is served by another", async () => {
  await using rig = await startProxy();
  const port = await rig.port("it");
  const dying = await connect(port);
  const other = await connect(port);
  const pid = await other.command("pid");
  dying.write("exit\n");
  expect((await other.rest()).toString()).toBe("");
  expect((await dying.rest()).toString()).toBe("");
  await rig.event("handler.exited", { pid: Number(pid), code: 3 });
  other.end();
  dying.end();
  await using next = await connect(port);
  expect(await next.command("pid")).not.toBe(pid);
  const both = await rig.event("connection.closed");
  await rig.event("connection.closed", {}, { after: both });
  expect(await statusOf(rig)).toMatchObject({ connections: 1, accepted: 3, spawned: 2, start_failures: 0 });
});

test("a client that never closes does not keep the connection to a daemon that has gone", async () => {
  await using rig = await startProxy({ upstream: ownAddress });
  const client = await connect(await rig.port("it"));
  const pid = Number(await client.command("pid"));
  process.kill(pid, "SIGKILL");
  await client.rest();
  const exited = await rig.event("handler.exited", { pid });
  const closed = await rig.event("connection.closed", {}, { after: exited });
  expect(closed).toMatchObject({ pid, error: "its worker ended" });
  expect(await statusOf(rig)).toMatchObject({ connections: 0, state: "listening" });
  client.reset();
});

test("starts that fail are tried, then left alone for a while, and who waits is served in the end", async () => {
  await using rig = await startProxy({ words: faulty, keys: 'start_limit = "3/10s"' });
  const client = await connect(await rig.port("it"));
  const answer = client.command("at last");
  const failed = await rig.event("service.state", { state: "failed" });
  expect(failed.reason).toBe("the worker ended before it was ready");
  expect(rig.startsBefore(failed)).toBe(3);
  expect(await statusOf(rig)).toMatchObject({ connections: 1 });
  rmSync(join(rig.directory, "fault"));
  expect(await answer).toBe("at last");
  expect(await statusOf(rig)).toMatchObject({ refused: {} });
});

test('with on_limit = "refuse" those who wait are told when starts keep failing, and so is who comes then', async () => {
  await using rig = await startProxy({
    words: faulty,
    keys: 'start_limit = "3/10s"\non_limit = "refuse"\nrefusal = "later\\n"',
  });
  const port = await rig.port("it");
  expect(await readAll(port)).toBe("later\n");
  expect(await rig.event("connection.refused")).toMatchObject({
    reason: "error",
    error: "its worker cannot be started",
  });
  expect(await readAll(port)).toBe("later\n");
  expect(await statusOf(rig)).toMatchObject({ connections: 0, refused: { error: 2 } });
});

test("a program that runs and ends, again and again, is not started in a loop for those who wait", async () => {
  await using rig = await startProxy({
    words: () => ["flash"],
    keys: 'ready = "spawn"\nstart_limit = "3/10s"',
  });
  await using client = await connect(await rig.port("it"));
  const failed = await rig.event("service.state", { state: "failed" });
  expect(failed.reason).toBe("the worker ended before it had taken a connection");
  expect(rig.startsBefore(failed)).toBe(3);
  expect(await statusOf(rig)).toMatchObject({ connections: 1 });
  expect(client.socket.readyState).toBe("open");
});

test("a daemon that is ready and takes nobody: the client is told after a while", async () => {
  await using rig = await startProxy({
    words: () => ["deaf"],
    keys: 'ready = "spawn"\nrefusal = "nobody there\\n"',
  });
  expect(await readAll(await rig.port("it"))).toBe("nobody there\n");
  expect(await rig.event("connection.refused")).toMatchObject({
    reason: "error",
    error: `cannot connect to unix:${rig.directory}/run/daemon.sock: ENOENT`,
  });
  expect(await statusOf(rig)).toMatchObject({ connections: 0, handlers: [{ connections: 0 }] });
});

test("a daemon that stops listening and ends while it is being connected to: the client gets the next one", async () => {
  await using rig = await startProxy();
  const port = await rig.port("it");
  const first = await connect(port);
  const pid = Number(await first.command("pid"));
  expect(await first.command("unlisten")).toBe("done");
  const second = await connect(port);
  const answer = second.command("pid");
  await rig.event("connection.accepted", ({ connection }) => connection === 2);
  first.write("exit\n");
  const started = await rig.event("handler.started", ({ pid: other }) => other !== pid);
  expect(Number(await answer)).toBe(started.pid);
  expect(await statusOf(rig)).toMatchObject({ refused: {} });
});

test("the socket of a daemon that was killed is not in the way of the next", async () => {
  await using rig = await startProxy({ words: () => ["timid"] });
  const port = await rig.port("it");
  const first = await connect(port);
  const pid = Number(await first.command("pid"));
  process.kill(pid, "SIGKILL");
  await rig.event("handler.exited", { pid });
  await using next = await connect(port);
  expect(await next.command("hello")).toBe("hello");
  expect(await statusOf(rig)).toMatchObject({ spawned: 2, start_failures: 0 });
});

test("a reload that changes the command lets connections end, and who comes meanwhile gets the next daemon", async () => {
  await using rig = await startProxy();
  const port = await rig.port("it");
  const first = await connect(port);
  const pid = Number(await first.command("pid"));
  const text = readFileSync(rig.configPath, "utf8");
  writeFileSync(rig.configPath, text.replace('upstream = "', 'environment = { A = "b" }\nupstream = "'));
  const reloaded = call(rig, "POST", "/v1/reload");
  // Answered after the reload has begun: from now on nobody comes to the old daemon.
  await rig.status();
  const next = await connect(port);
  const answer = next.command("pid");
  expect(await first.command("still here")).toBe("still here");
  first.end();
  await first.rest();
  await rig.event("handler.stopping", { pid, reason: "it is replaced" });
  expect(Number(await answer)).not.toBe(pid);
  expect((await reloaded).code).toBe(200);
  expect(await statusOf(rig)).toMatchObject({ connections: 1, refused: {}, spawned: 2 });
});

test("who waits for a daemon that cannot start is given to one that can by a reload, and is not counted twice", async () => {
  await using rig = await startProxy({ words: faulty, keys: 'start_limit = "3/10s"' });
  const client = await connect(await rig.port("it"));
  const answer = client.command("at last");
  await rig.event("service.state", { state: "failed" });
  const text = readFileSync(rig.configPath, "utf8");
  writeFileSync(rig.configPath, text.replace(/,"fault=[^"]*"/, ""));
  expect((await call(rig, "POST", "/v1/reload")).code).toBe(200);
  expect(await answer).toBe("at last");
  expect(await statusOf(rig)).toMatchObject({ accepted: 1, connections: 1, refused: {} });
  client.end();
  await client.rest();
  await rig.event("connection.closed");
  expect(rig.events.filter(({ event }) => event === "connection.accepted").length).toBe(1);
  expect(await statusOf(rig)).toMatchObject({ connections: 0 });
});

test("who waits for a daemon that is not ready yet is given to the one that replaces it, in the order of all", async () => {
  const start = gate("start");
  await using rig = await startProxy({ words: start.word("gate"), keys: 'drain_timeout = "50ms"' });
  const clients = [];
  const port = await rig.port("it");
  for (let n = 0; n < 3; n++) {
    const client = await connect(port);
    clients.push({ client, answer: client.command(`hello ${n}`) });
    await rig.event("connection.accepted", { connection: n + 1 });
  }
  await rig.event("handler.started");
  const text = readFileSync(rig.configPath, "utf8");
  writeFileSync(rig.configPath, text.replace(/,"gate=[^"]*"/, ""));
  expect((await call(rig, "POST", "/v1/reload")).code).toBe(200);
  for (const [n, { answer }] of clients.entries()) expect(await answer).toBe(`hello ${n}`);
  expect(await statusOf(rig)).toMatchObject({ accepted: 3, connections: 3, refused: {}, spawned: 2 });
});

test("who still reads what a daemon has said that has gone is known after a reload, and until the service is stopped", async () => {
  const address = ownAddress();
  await using rig = await startProxy({ upstream: () => address, keys: 'kill_mode = "group"' });
  const client = await connect(await rig.port("it"));
  const { connection } = await rig.event("connection.accepted");
  const pid = Number(await client.command("pid"));
  client.write("exit\n");
  await rig.event("handler.exited", { pid });
  const text = readFileSync(rig.configPath, "utf8");
  writeFileSync(rig.configPath, text.replace('upstream = "', 'environment = { A = "b" }\nupstream = "'));
  expect((await call(rig, "POST", "/v1/reload")).code).toBe(200);
  expect(await statusOf(rig)).toMatchObject({ connections: 1, handlers: [] });
  expect(await getJson(rig.controlSocket, "/v1/connections")).toMatchObject([{ id: connection, pid }]);
  await call(rig, "POST", "/v1/services/it/stop");
  await rig.event("connection.closed", { connection, pid, error: "its worker ended" });
});

test("connections that are open are listed, those that wait as well", async () => {
  const start = gate("start");
  await using rig = await startProxy({ words: start.word("gate") });
  const client = await connect(await rig.port("it"));
  const { connection, remote } = await rig.event("connection.accepted");
  const list = () => getJson(rig.controlSocket, "/v1/connections");
  expect(await list()).toMatchObject([{ id: connection, remote, pid: null }]);
  await start.open(rig);
  const pid = Number(await client.command("pid"));
  expect(await list()).toMatchObject([{ id: connection, remote, pid }]);
});

test("workers.min is kept running, also when nobody comes, and started again when it fails", async () => {
  await using rig = await startProxy({ keys: 'workers = { min = 1 }\nidle_timeout = "50ms"' });
  const ready = await rig.event("handler.ready");
  await using client = await connect(await rig.port("it"));
  expect(await client.command("pid")).toBe(`${ready.pid}`);
  client.write("exit\n");
  const again = await rig.event("handler.ready", {}, { after: await rig.event("handler.exited") });
  expect(again.pid).not.toBe(ready.pid);
  expect(rig.events.filter(({ event }) => event === "handler.stopping")).toEqual([]);
});

test("what the daemon says when it is told to end still reaches its clients, also at the end of tinetd", async () => {
  await using rig = await startProxy({ words: () => ["bye"] });
  const client = await connect(await rig.port("it"));
  expect(await client.command("hello")).toBe("hello");
  const rest = client.rest();
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  expect((await rest).toString()).toBe("bye\n");
  await rig.event("connection.closed");
});

test("the end of tinetd while clients wait for a daemon that does not come", async () => {
  const start = gate("start");
  await using rig = await startProxy({ words: start.word("gate"), keys: 'stop_timeout = "100ms"' });
  const client = await connect(await rig.port("it"));
  await rig.event("connection.accepted");
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  expect((await client.rest()).toString()).toBe("");
  expect(await rig.event("connection.closed")).toMatchObject({
    pid: null,
    error: "the service was stopped before the worker was ready",
  });
});
