/** `max_lifetime` and `max_served` of workers that are sent their connections: none of these is ended by it. */
import { expect, test } from "vitest";
import { statusOf } from "../core/tools.ts";
import { connectServed, leave, served, startPass } from "../pass/tools.ts";
import { connect } from "../rig/client.ts";

test("a worker finishes its connections beside its successor", async () => {
  await using rig = await startPass({ keys: 'max_lifetime = "300ms"\nworkers = { max = 1 }' });
  const port = await rig.port("pass");
  const old = await connectServed(port);
  let next = await connectServed(port);
  while (next.pid === old.pid) {
    await leave(next);
    next = await connectServed(port);
  }
  expect(await old.client.command("echo still here")).toBe("still here");
  await leave(old);
  expect(await rig.event("handler.stopping", { pid: old.pid })).toMatchObject({ reason: "max_lifetime" });
  expect(await rig.event("connection.closed", { connection: old.info.id })).not.toHaveProperty("error");
  expect(await next.client.command("echo here too")).toBe("here too");
});

test("one without connections goes at once, and workers.min are back at once", async () => {
  await using rig = await startPass({ keys: 'max_lifetime = "300ms"\nworkers = { min = 1 }' });
  const first = await rig.event("handler.started");
  const stopping = await rig.event("handler.stopping", { pid: first.pid });
  expect(stopping).toMatchObject({ reason: "max_lifetime" });
  const second = await rig.event("handler.started", {}, { after: first });
  await rig.event("handler.stopping", { pid: second.pid });
});

test("no more than workers.max finish beside their successors", async () => {
  await using rig = await startPass({ keys: "workers = { max = 1, max_served = 1 }" });
  const port = await rig.port("pass");
  const [one, two] = [await connectServed(port), await connectServed(port)];
  expect(one.pid).not.toBe(two.pid);
  const third = await connect(port);
  expect(await statusOf(rig)).toMatchObject({ accepted: 2, spawned: 2 });
  await leave(one);
  const { pid } = await served(third);
  const names = rig.events.map((event) => `${event.event} ${"pid" in event ? event.pid : ""}`);
  expect(names.indexOf(`handler.started ${pid}`)).toBeGreaterThan(names.indexOf(`handler.exited ${one.pid}`));
});
