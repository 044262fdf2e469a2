/** `on_idle = "freeze"` of workers that are sent their connections. */
import { expect, test } from "vitest";
import { statusOf } from "../core/tools.ts";
import { connectServed, leave, startPass } from "../pass/tools.ts";
import { isFrozen } from "./tools.ts";

const freeze = 'idle_timeout = "150ms"\non_idle = "freeze"';

test.each(["library", "plain", "seqpacket"] as const)("%s: a connection wakes the worker", async (kind) => {
  await using rig = await startPass({ kind, keys: freeze });
  const port = await rig.port("pass");
  const first = await connectServed(port);
  await leave(first);
  const frozen = await rig.event("handler.frozen", { pid: first.pid });
  expect(isFrozen(first.pid)).toBe(true);
  const second = await connectServed(port);
  expect(second.pid).toBe(first.pid);
  await rig.event("handler.thawed", { pid: first.pid });
  expect((await statusOf(rig)).handlers).toMatchObject([{ state: "ready", connections: 1 }]);
  await leave(second);
  await rig.event("handler.frozen", {}, { after: frozen });
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
});

test("a frozen worker gets a connection only when the others are full", async () => {
  await using rig = await startPass({ keys: `workers = { max = 2, connections = 2 }\n${freeze}` });
  const port = await rig.port("pass");
  const [one, two] = [await connectServed(port), await connectServed(port)];
  const other = await connectServed(port);
  expect([two.pid, other.pid]).toEqual([one.pid, expect.not.toSatisfy((pid) => pid === one.pid)]);
  await leave(other);
  await leave(two);
  await rig.event("connection.closed", { connection: two.info.id });
  await rig.event("handler.frozen", { pid: other.pid });
  const third = await connectServed(port);
  expect(third.pid).toBe(one.pid);
  expect((await connectServed(port)).pid).toBe(other.pid);
});

test("after max_frozen it reads the end of its channel, and is gone for the next client", async () => {
  await using rig = await startPass({
    words: ["patient"],
    keys: `${freeze}\nmax_frozen = "200ms"\nstop_timeout = "1m"`,
  });
  const port = await rig.port("pass");
  const first = await connectServed(port);
  await leave(first);
  await rig.event("handler.frozen");
  expect(await rig.event("handler.stopping")).toMatchObject({ pid: first.pid, reason: "max_frozen" });
  expect(await rig.event("handler.exited")).toMatchObject({ pid: first.pid, code: 7 });
  const next = await connectServed(port);
  expect(next.pid).not.toBe(first.pid);
  await leave(next);
});

test("workers.min stay frozen for longer than max_frozen, and the surplus does not", async () => {
  await using rig = await startPass({
    keys: `workers = { min = 1, max = 2, connections = 1 }\n${freeze}\nmax_frozen = "200ms"`,
  });
  const port = await rig.port("pass");
  const first = await rig.event("handler.frozen");
  const one = await connectServed(port);
  const two = await connectServed(port);
  expect(one.pid).toBe(first.pid);
  await leave(one);
  await leave(two);
  const { pid } = await rig.event("handler.exited");
  const left = one.pid === pid ? two.pid : one.pid;
  await rig.event("handler.frozen", { pid: left }, { after: first });
  expect((await connectServed(port)).pid).toBe(left);
});

test("one that is killed while it is frozen is replaced", async () => {
  await using rig = await startPass({ keys: `workers = { min = 1 }\n${freeze}` });
  const { pid } = await rig.event("handler.frozen");
  process.kill(pid, "SIGKILL");
  const exited = await rig.event("handler.exited", { pid });
  const next = await rig.event("handler.started", {}, { after: exited });
  expect((await connectServed(await rig.port("pass"))).pid).toBe(next.pid);
});
