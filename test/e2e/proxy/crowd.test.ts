/** Many clients of `proxy` at once, also more than there are descriptors for, and around the edge of idleness. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { descriptorsAreBack, statusOf } from "../core/tools.ts";
import { type Client, connect } from "../rig/client.ts";
import type { Rig } from "../rig/rig.ts";
import { gate, startProxy } from "./tools.ts";

test("a crowd that waits is served whole, and leaves nothing behind", async () => {
  const start = gate("start");
  await using rig = await startProxy({ words: start.word("gate") });
  const port = await rig.port("it");
  const clients = await crowd(port, 200);
  await rig.event("connection.accepted", ({ connection }) => connection === 200);
  await start.open(rig);
  await serveAll(clients);
  const before = rig.descriptors();
  await serveAll(await crowd(port, 200));
  await descriptorsAreBack(rig, before);
  expect(await statusOf(rig)).toMatchObject({ accepted: 400, connections: 0, refused: {}, spawned: 1 });
});

test("of more clients than there are descriptors for, those who were let in are served, then the others", async () => {
  const start = gate("start");
  const launcher = ["prlimit", "--nofile=240:240", "--"];
  await using rig = await startProxy({ words: start.word("gate"), keys: 'stderr = "log"', launcher });
  const clients = await crowd(await rig.port("it"), 150);
  await rig.event("service.state", { state: "limited", reason: "descriptors" });
  const { accepted } = await statusOf(rig);
  expect(accepted).toBeLessThan(150);
  await start.open(rig);
  await serveAll(clients);
  expect(await statusOf(rig)).toMatchObject({ accepted: 150, connections: 0, refused: {}, spawned: 1 });
});

const cycles = 100;

test(`clients around the idle edge are all answered, for ${cycles} stops`, async () => {
  await using rig = await startProxy({ keys: 'idle_timeout = "30ms"' });
  const port = await rig.port("it");
  const failures: string[] = [];
  let stops = 0;
  while (stops < cycles) {
    const client = await connect(port);
    const answer = await client.command("hello").catch((error: Error) => error.message);
    if (answer !== "hello") failures.push(answer);
    client.end();
    await client.rest();
    // Around the edge. No time is claimed here.
    await delay(25 + Math.random() * 15);
    stops = rig.events.filter(({ event }) => event === "handler.stopping").length;
  }
  expect(failures).toEqual([]);
  expect(await statusOf(rig)).toMatchObject({ refused: {}, start_failures: 0 });
  await allWell(rig);
});

async function crowd(port: number, size: number): Promise<Client[]> {
  return await Promise.all(Array.from({ length: size }, () => connect(port)));
}

/** Each gets its own answer, and goes. */
async function serveAll(clients: readonly Client[]): Promise<void> {
  await Promise.all(
    clients.map(async (client, n) => {
      expect(await client.command(`I am ${n}`)).toBe(`I am ${n}`);
      client.end();
      expect((await client.rest()).toString()).toBe("");
    }),
  );
}

/** No daemon ended otherwise than as it was told to, and no connection either. */
async function allWell(rig: Rig): Promise<void> {
  const bad = rig.events.filter(
    (event) =>
      (event.event === "handler.exited" && event.code !== 0) ||
      (event.event === "connection.closed" && event.error !== undefined),
  );
  expect(bad).toEqual([]);
}
