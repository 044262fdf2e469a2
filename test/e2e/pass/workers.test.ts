/** Which worker of `pass` gets a connection, how many there are, and how they come and go. */
import { expect, test } from "vitest";
import { descriptorsAreBack, statusOf } from "../core/tools.ts";
import { connect } from "../rig/client.ts";
import { connectServed, halt, leave, served, startPass } from "./tools.ts";

test("a connection goes to the worker with the fewest, and a new worker starts when all are full", async () => {
  await using rig = await startPass({ keys: "workers = { max = 2, connections = 3 }" });
  const port = await rig.port("pass");
  const first = [await connectServed(port), await connectServed(port), await connectServed(port)];
  expect(new Set(first.map(({ pid }) => pid)).size).toBe(1);
  const fourth = await connectServed(port);
  expect(fourth.pid).not.toBe(first[0]?.pid);
  const fifth = await connectServed(port);
  expect(fifth.pid).toBe(fourth.pid);
  for (const one of first) {
    await leave(one);
    await rig.event("connection.closed", { connection: one.info.id });
  }
  // Nobody at the first now, two at the second.
  const pids = [await connectServed(port), await connectServed(port)].map(({ pid }) => pid);
  expect(pids).toEqual([first[0]?.pid, first[0]?.pid]);
});

test("beyond what all workers may have, clients wait in the kernel until there is room", async () => {
  await using rig = await startPass({ keys: "workers = { max = 2, connections = 1 }" });
  const port = await rig.port("pass");
  const both = [await connectServed(port), await connectServed(port)];
  const waiting = await Promise.all(Array.from({ length: 5 }, () => connect(port)));
  expect(await statusOf(rig)).toMatchObject({ accepted: 2, connections: 2, spawned: 2 });
  const served5 = waiting.map(served);
  await Promise.all(both.map(leave));
  for (const next of served5) await leave(await next);
  expect(await statusOf(rig)).toMatchObject({ accepted: 7, spawned: 2 });
  for (const { connections } of (await statusOf(rig)).handlers) expect(connections).toBeLessThanOrEqual(1);
});

test("a crowd that comes at once gets no more than there is room for", async () => {
  await using rig = await startPass({ keys: "workers = { max = 1, connections = 2 }" });
  const port = await rig.port("pass");
  const crowd = await Promise.all(Array.from({ length: 8 }, () => connect(port)));
  const firstTwo = await Promise.race(crowd.map(served));
  expect((await statusOf(rig)).accepted).toBe(2);
  expect((await statusOf(rig)).handlers[0]).toMatchObject({ pid: firstTwo.pid, connections: 2 });
});

test("a worker that has served max_served is replaced", async () => {
  await using rig = await startPass({ keys: "workers = { max = 1, max_served = 3 }" });
  const port = await rig.port("pass");
  const pids: number[] = [];
  for (let n = 0; n < 9; n++) {
    const client = await connectServed(port);
    pids.push(client.pid);
    await leave(client);
  }
  expect(new Set(pids).size).toBe(3);
  expect(await rig.event("handler.stopping", { pid: pids[0] ?? 0 })).toMatchObject({ reason: "max_served" });
});

test("a worker that is not needed reads the end of its channel and exits as it likes", async () => {
  await using rig = await startPass({
    words: ["patient"],
    keys: 'idle_timeout = "100ms"\nstop_timeout = "1m"',
  });
  const port = await rig.port("pass");
  const client = await connectServed(port);
  await leave(client);
  const { connection } = await rig.event("connection.closed");
  expect(connection).toBe(client.info.id);
  expect(await rig.event("handler.stopping")).toMatchObject({ pid: client.pid, reason: "idle" });
  expect(await rig.event("handler.exited")).toMatchObject({ pid: client.pid, code: 7, signal: null });
  const before = rig.descriptors();
  // The next client starts the next worker.
  const next = await connectServed(port);
  expect(next.pid).not.toBe(client.pid);
  await leave(next);
  await rig.event("handler.exited", { pid: next.pid });
  await descriptorsAreBack(rig, before);
  expect(await statusOf(rig)).toMatchObject({ state: "listening", connections: 0, handlers: [] });
});

test.each([
  ["seqpacket", ["patient"], 7],
  ["library", [], 0],
] as const)("a worker of %s that is told to end finishes what it has", async (kind, words, code) => {
  await using rig = await startPass({ kind, words });
  const open = await connectServed(await rig.port("pass"));
  rig.signal("SIGTERM");
  await rig.event("handler.stopping", { pid: open.pid, signal: "SIGTERM" });
  expect(await open.client.command("echo still here")).toBe("still here");
  await leave(open);
  expect(await rig.exited).toEqual({ code: 0, signal: null });
  expect(await rig.event("handler.exited", { pid: open.pid })).toMatchObject({ code, signal: null });
  const closed = await rig.event("connection.closed", { connection: open.info.id });
  expect(closed).not.toHaveProperty("error");
});

test("workers.min are kept: started before anybody comes, not taken away, replaced when they fail", async () => {
  await using rig = await startPass({ keys: 'workers = { min = 2, max = 3 }\nidle_timeout = "100ms"' });
  const port = await rig.port("pass");
  const first = await rig.event("handler.started");
  const second = await rig.event("handler.started", {}, { after: first });
  expect((await statusOf(rig)).handlers.map(({ pid }) => pid)).toEqual([first.pid, second.pid]);
  const client = await connectServed(port);
  expect([first.pid, second.pid]).toContain(client.pid);
  client.client.write("exit 1\n");
  const exited = await rig.event("handler.exited");
  const third = await rig.event("handler.started", {}, { after: exited });
  expect(await statusOf(rig)).toMatchObject({ spawned: 3, handlers: [{}, { pid: third.pid }] });
});

test('with restart = "no" a kept worker that ends is missed only by the next client', async () => {
  await using rig = await startPass({ keys: 'workers = { min = 1 }\nrestart = "no"' });
  const port = await rig.port("pass");
  const client = await connectServed(port);
  client.client.write("exit 1\n");
  await rig.event("connection.closed", { connection: client.info.id });
  expect(await statusOf(rig)).toMatchObject({ spawned: 1, handlers: [] });
  await leave(await connectServed(port));
  expect(await statusOf(rig)).toMatchObject({ spawned: 2 });
});

test("a worker that never says done makes room when the kernel has seen the end", async () => {
  await using rig = await startPass({ words: ["silent"], keys: "workers = { connections = 1 }" });
  const port = await rig.port("pass");
  for (let n = 0; n < 5; n++) await leave(await connectServed(port));
  expect(await statusOf(rig)).toMatchObject({ accepted: 5, spawned: 1 });
});

test("a worker that talks nonsense is replaced; what it may say and nobody knows is ignored", async () => {
  await using rig = await startPass();
  const port = await rig.port("pass");
  const client = await connectServed(port);
  for (const text of ['{"done":99}', '{"done":"1"}', '{"news":[1,2]}', "{}"]) {
    client.client.write(`say ${text}\n`);
  }
  expect(await client.client.command("echo still here")).toBe("still here");
  expect(await statusOf(rig)).toMatchObject({ connections: 1 });
  client.client.write("say nonsense\n");
  expect(await rig.event("handler.stopping")).toMatchObject({
    pid: client.pid,
    reason: "it has sent what is no JSON object",
  });
  const next = await connectServed(port);
  expect(next.pid).not.toBe(client.pid);
});

test("a worker may say on its channel that it is ready, and clients wait until then", async () => {
  await using rig = await startPass({ words: ["notify"], keys: 'ready = "notify"' });
  const client = await connectServed(await rig.port("pass"));
  const ready = await rig.event("handler.ready");
  expect(ready).toMatchObject({ pid: client.pid });
  await rig.event("connection.accepted", {}, { after: ready });
});

test("a program that cannot run is not started in a loop for those whose connections it did not take", async () => {
  await using rig = await startPass({ words: ["die"], keys: 'start_limit = "3/10s"' });
  const port = await rig.port("pass");
  await using client = await connect(port);
  const failed = await rig.event("service.state", { state: "failed" });
  expect(failed.reason).toContain("ended before it had received a connection");
  expect(rig.startsBefore(failed)).toBe(3);
  expect((await statusOf(rig)).start_failures).toBeGreaterThanOrEqual(3);
  expect(client.socket.readyState).toBe("open");
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  expect(await rig.event("connection.closed")).toMatchObject({ pid: null });
});

test("the daemon ends while a worker that hangs has connections that it never received", async () => {
  await using rig = await startPass({ keys: 'stop_timeout = "100ms"' });
  const port = await rig.port("pass");
  await leave(await connectServed(port));
  const { pid } = await rig.event("handler.started");
  await halt(pid);
  const clients = await Promise.all(Array.from({ length: 3 }, () => connect(port)));
  await rig.event("connection.accepted", ({ connection }) => connection >= 4);
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  for (const client of clients) expect((await client.rest()).toString()).toBe("");
  expect(rig.events.filter(({ event }) => event === "handler.started")).toHaveLength(1);
});
