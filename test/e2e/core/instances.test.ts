/** `max_instances`, with clients that wait and with clients that are refused. */
import { expect, test } from "vitest";
import { connect } from "../rig/client.ts";
import { startFixture, statusOf } from "./tools.ts";

const refusal = `all seats are taken\n${"please come again\n".repeat(1_000)}`;

test("queue: the third client waits in the backlog and is served when the first ends", async () => {
  await using rig = await startFixture("max_instances = 2");
  const port = await rig.port("fixture");
  await using first = await connect(port);
  await using second = await connect(port);
  const limited = await rig.event("service.state", { state: "limited" });
  expect(limited).toMatchObject({ level: "warn", reason: "limit" });

  await using third = await connect(port);
  await using fourth = await connect(port);
  third.write("echo third\n");
  fourth.write("echo fourth\n");
  expect(await second.command("echo still here")).toBe("still here");
  const full = { state: "limited", accepted: 2, connections: 2, failure: "limit" };
  expect(await statusOf(rig)).toMatchObject(full);
  expect(rig.descendants()).toHaveLength(2);

  first.end();
  expect(await third.line()).toBe("third");
  expect(await statusOf(rig)).toMatchObject({ ...full, accepted: 3 });
  second.end();
  expect(await fourth.line()).toBe("fourth");
  for (const [index, client] of [third, fourth].entries()) {
    client.end();
    await client.rest();
    await rig.event("connection.closed", { connection: 3 + index });
  }
  const empty = { state: "listening", accepted: 4, connections: 0, refused: {}, failure: null };
  expect(await statusOf(rig)).toMatchObject(empty);
});

test("queue: a client that gives up while it waits costs nobody anything", async () => {
  await using rig = await startFixture("max_instances = 1");
  const port = await rig.port("fixture");
  await using first = await connect(port);
  await rig.event("service.state", { state: "limited" });
  const impatient = await connect(port);
  impatient.reset();
  await using patient = await connect(port);
  first.end();
  expect(await patient.command("echo served")).toBe("served");
});

test("refuse: the text arrives whole, also when the client has sent much already, and is counted", async () => {
  await using rig = await startFixture(`
max_instances = 1
on_limit = "refuse"
refusal = ${JSON.stringify(refusal)}`);
  const port = await rig.port("fixture");
  await using first = await connect(port);
  await first.command("echo here");
  for (const sent of [0, 64 * 1024]) {
    await using refused = await connect(port);
    refused.write("x".repeat(sent));
    expect((await refused.rest()).toString()).toBe(refusal);
  }
  const event = await rig.event("connection.refused");
  expect(event).toMatchObject({ level: "warn", service: "fixture", reason: "limit" });
  const counted = { state: "active", accepted: 1, refused: { limit: 2 }, connections: 1 };
  expect(await statusOf(rig)).toMatchObject(counted);
  expect(await first.command("echo undisturbed")).toBe("undisturbed");

  first.end();
  await rig.event("connection.closed");
  await using next = await connect(port);
  expect(await next.command("echo welcome")).toBe("welcome");
});
