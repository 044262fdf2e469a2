/** Workers of `pass` and who is with them, while the daemon executes itself anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { descriptorsAreBack, statusOf } from "../core/tools.ts";
import { isFrozen } from "../frozen/tools.ts";
import { connectServed, halt, kinds, leave, served, startPass } from "../pass/tools.ts";
import { type Client, connect } from "../rig/client.ts";
import type { Logged } from "../rig/event-log.ts";
import type { Rig } from "../rig/rig.ts";

const names = Object.keys(kinds) as (keyof typeof kinds)[];

/** Asks for an upgrade, and waits until it is done. @param after the one before it */
async function upgrade(rig: Rig, after?: Logged): Promise<Logged> {
  rig.signal("SIGUSR2");
  const event = await rig.event("daemon.upgrade", {}, after === undefined ? {} : { after });
  expect(event).not.toHaveProperty("error");
  return event;
}

describe.each(names)("%s", (kind) => {
  test("keeps its connections, gets others, and their ends and bytes are known", async () => {
    await using rig = await startPass({ kind });
    const port = await rig.port("pass");
    const zero = await connectServed(port);
    await leave(zero);
    await rig.event("connection.closed", { connection: zero.info.id });
    const before = rig.descriptors();
    const [one, two] = [await connectServed(port), await connectServed(port)];
    const first = await upgrade(rig);
    await upgrade(rig, first);
    expect(await one.client.command("echo still here")).toBe("still here");
    const three = await connectServed(port);
    expect([three.pid, three.info.id]).toEqual([one.pid, two.info.id + 1]);
    expect(await statusOf(rig)).toMatchObject({
      state: "active",
      connections: 3,
      accepted: 4,
      spawned: 1,
      handlers: [{ pid: one.pid, state: "ready", connections: 3 }],
    });
    for (const each of [one, two, three]) {
      const { bytesWritten: bytes_in, bytesRead: bytes_out } = each.client.socket;
      await leave(each);
      const closed = await rig.event("connection.closed", { connection: each.info.id });
      expect(closed).toMatchObject({ pid: one.pid, bytes_in, bytes_out });
      expect(closed).not.toHaveProperty("error");
    }
    expect(await statusOf(rig)).toMatchObject({ connections: 0, handlers: [{ state: "idle" }] });
    await descriptorsAreBack(rig, before);
    expect(await rig.stop()).toEqual({ code: 0, signal: null });
  });

  test("that dies before it has received its connections loses none of them", async () => {
    const clients = 80; // More than either channel takes at once.
    await using rig = await startPass({ kind });
    const port = await rig.port("pass");
    const { pid, ...first } = await connectServed(port);
    await leave({ pid, ...first });
    await rig.event("connection.closed", { connection: first.info.id });
    const before = rig.descriptors();
    await halt(pid);
    const waiting: Client[] = [];
    for (let n = 0; n < clients; n++) waiting.push(await connect(port));
    await rig.event("connection.accepted", ({ connection }) => connection >= 20);
    await upgrade(rig);
    process.kill(pid, "SIGKILL");
    const all = await Promise.all(waiting.map(served));
    expect(new Set(all.map((one) => one.pid)).size).toBe(1);
    expect(all[0]?.pid).not.toBe(pid);
    for (const [index, { client, info }] of all.entries()) {
      expect(info.remote).toMatchObject({ port: client.socket.localPort });
      expect(await client.command(`echo ${index}`)).toBe(`${index}`);
    }
    await Promise.all(all.map(leave));
    for (const { info } of all) {
      expect(await rig.event("connection.closed", { connection: info.id })).not.toHaveProperty("error");
    }
    expect(await statusOf(rig)).toMatchObject({ connections: 0, accepted: clients + 1, spawned: 2 });
    await descriptorsAreBack(rig, before);
  });

  test("that hangs goes on where it was when it does not any more", async () => {
    await using rig = await startPass({ kind });
    const port = await rig.port("pass");
    const open = await connectServed(port);
    await halt(open.pid);
    const waiting = await Promise.all(Array.from({ length: 10 }, () => connect(port)));
    await rig.event("connection.accepted", ({ connection }) => connection === 11);
    const first = await upgrade(rig);
    process.kill(open.pid, "SIGCONT");
    await upgrade(rig, first);
    const all = await Promise.all(waiting.map(served));
    expect(new Set(all.map(({ pid }) => pid))).toEqual(new Set([open.pid]));
    await Promise.all([open, ...all].map(leave));
    for (const { info } of all) await rig.event("connection.closed", { connection: info.id });
    expect(await statusOf(rig)).toMatchObject({ connections: 0, accepted: 11, spawned: 1 });
  });
});

test("nobody of a crowd that comes and goes meanwhile is lost, nor counted twice", async () => {
  await using rig = await startPass({ keys: "workers = { max = 2, connections = 8, max_served = 50 }" });
  const port = await rig.port("pass");
  let isOver = false;
  let clients = 0;
  const comeAndGo = async () => {
    while (!isOver) {
      clients += 1;
      const text = `${clients}`;
      const client = await connectServed(port);
      expect(await client.client.command(`echo ${text}`)).toBe(text);
      await leave(client);
    }
  };
  const crowd = Promise.all(Array.from({ length: 16 }, comeAndGo));
  let last: Logged | undefined;
  for (let n = 0; n < 4; n++) last = await upgrade(rig, last);
  isOver = true;
  await crowd;
  for (let connection = 1; connection <= clients; connection++) {
    expect(await rig.event("connection.closed", { connection })).not.toHaveProperty("error");
  }
  const closed = rig.events.filter(({ event }) => event === "connection.closed");
  expect(closed).toHaveLength(clients);
  expect(await statusOf(rig)).toMatchObject({ connections: 0, accepted: clients, refused: {} });
});

test("whoever comes while the worker is not ready yet, or all are full, waits over an upgrade", async () => {
  await using rig = await startPass({
    words: ["notify"],
    keys: 'ready = "notify"\nworkers = { max = 1, connections = 1 }',
  });
  const port = await rig.port("pass");
  const first = await connect(port);
  const { pid } = await rig.event("handler.started");
  const upgraded = await upgrade(rig);
  const one = await served(first);
  expect(one.pid).toBe(pid);
  const second = await connect(port);
  await upgrade(rig, upgraded);
  await leave(one);
  expect((await served(second)).pid).toBe(pid);
  expect(await statusOf(rig)).toMatchObject({ accepted: 2, spawned: 1, start_failures: 0 });
});

test("a worker that a reload has replaced, and that takes its time to go, does so", async () => {
  await using rig = await startPass({
    words: ["patient"],
    keys: 'drain_timeout = "100ms"\nstop_timeout = "1m"',
  });
  const port = await rig.port("pass");
  const old = await connectServed(port);
  const text = readFileSync(rig.configPath, "utf8");
  writeFileSync(rig.configPath, `${text}environment = { GENERATION = "next" }\n`);
  rig.signal("SIGHUP");
  await rig.event("daemon.reload");
  const next = await connectServed(port);
  expect(next.pid).not.toBe(old.pid);
  await upgrade(rig);
  expect(await old.client.command("echo still here")).toBe("still here");
  const { handlers } = await statusOf(rig);
  const isOf = (one: { pid: number }) => expect.objectContaining({ pid: one.pid, connections: 1 });
  expect(handlers).toEqual(expect.arrayContaining([isOf(old), isOf(next)]));
  const other = await connectServed(port);
  expect(other.pid).toBe(next.pid);
  old.client.write("exit 0\n");
  expect(await rig.event("handler.exited")).toMatchObject({ pid: old.pid, code: 0 });
  await rig.event("connection.closed", { connection: old.info.id });
  expect(await next.client.command("echo so am I")).toBe("so am I");
  await Promise.all([next, other].map(leave));
});

test("a frozen worker stays so, and is woken by the next connection", async () => {
  await using rig = await startPass({ keys: 'idle_timeout = "150ms"\non_idle = "freeze"' });
  const port = await rig.port("pass");
  const first = await connectServed(port);
  await leave(first);
  await rig.event("handler.frozen", { pid: first.pid });
  await upgrade(rig);
  expect(isFrozen(first.pid)).toBe(true);
  const second = await connectServed(port);
  expect(second.pid).toBe(first.pid);
  await rig.event("handler.thawed", { pid: first.pid });
  expect((await statusOf(rig)).handlers).toMatchObject([{ state: "ready", connections: 1 }]);
});

test("an idle worker is taken away when its time is over, and the next client starts another", async () => {
  await using rig = await startPass({ words: ["patient"], keys: 'idle_timeout = "2s"\nstop_timeout = "1m"' });
  const port = await rig.port("pass");
  const first = await connectServed(port);
  await leave(first);
  await upgrade(rig);
  expect(await rig.event("handler.stopping")).toMatchObject({ pid: first.pid, reason: "idle" });
  // It has read the end of its channel: nobody else has kept it open.
  expect(await rig.event("handler.exited")).toMatchObject({ pid: first.pid, code: 7, signal: null });
  const next = await connectServed(port);
  expect(next.pid).not.toBe(first.pid);
  await leave(next);
});

test("a client who has not spoken yet may do so afterwards", async () => {
  await using rig = await startPass({ keys: 'wake_on = "data"\nworkers = { connections = 2 }' });
  const port = await rig.port("pass");
  const client = await connect(port);
  await upgrade(rig);
  client.write("echo at last\n");
  const one = await served(client);
  expect(await one.client.line()).toBe("at last");
  await leave(one);
  await rig.event("connection.closed", { connection: one.info.id });
});
