/** More clients than descriptors (EMFILE): the daemon waits instead of spinning, stays usable, and serves all of them. */
import { setInterval } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Client, connect } from "../rig/client.ts";
import type { Rig } from "../rig/rig.ts";
import { descriptorsAreBack, processorTicks, startFixture, statusOf } from "./tools.ts";

/**
 * The daemon counts one descriptor for each connection when it works out `max_connections`; with `stderr = "log"` a
 * handler takes two, so that it runs out of them before.
 */
const clients = 120;
const shortOf = (descriptors: number) => ({
  launcher: ["prlimit", `--nofile=${descriptors}:${descriptors}`, "--"],
});

test("clients wait, the log has one line, the control socket answers, and in the end all are served", async () => {
  await using rig = await startFixture('stderr = "log"', shortOf(240));
  const before = rig.descriptors();
  const knocking = await knock(rig, "fixture", clients);
  const short = await rig.event("service.state", { state: "limited", reason: "descriptors" });
  expect(short.level).toBe("warn");

  const ticks = processorTicks(rig.pid);
  await severalTries(rig);
  expect(processorTicks(rig.pid) - ticks, "ticks of 10 ms, in 1.5 s").toBeLessThan(60);
  expect((await statusOf(rig)).accepted).toBeLessThan(clients);

  await serveAll(knocking);
  expect(await statusOf(rig)).toMatchObject({ accepted: clients, refused: {}, failure: null });
  expect(rig.events.filter(({ event }) => event === "service.state")).toEqual([short]);
  await descriptorsAreBack(rig, before);
});

test("nobody is lost, whichever of the connections of one turn takes the last descriptor", async () => {
  for (let descriptors = 232; descriptors < 248; descriptors += 4) {
    await using rig = await startFixture('stderr = "log"', shortOf(descriptors));
    const knocking = await knock(rig, "fixture", clients);
    await rig.event("service.state", { state: "limited", reason: "descriptors" });
    await serveAll(knocking);
    expect((await statusOf(rig)).refused).toEqual({});
  }
});

test("another service, which has room of its own, is not served from the last descriptors either", async () => {
  await using rig = await startFixture(
    `stderr = "log"
[services.other]
listen  = "127.0.0.1:0"
command = "cat"`,
    shortOf(240),
  );
  const holding = await knock(rig, "fixture", clients);
  await rig.event("service.state", { service: "fixture", state: "limited" });
  const others = await knock(rig, "other", 30);
  await rig.event("service.state", { service: "other", state: "limited" });
  await serveAll([...holding, ...others]);
  expect((await statusOf(rig, "fixture")).refused).toEqual({});
  expect((await statusOf(rig, "other")).refused).toEqual({});
});

interface Knocking {
  client: Client;
  answer: Promise<string>;
  text: string;
}

/** So many clients at once: the daemon is held up meanwhile, so that it finds as many as it ever takes in one turn. */
async function knock(rig: Rig, service: string, count: number): Promise<Knocking[]> {
  const port = await rig.port(service);
  const knocking: Knocking[] = [];
  rig.signal("SIGSTOP");
  for (let index = 0; index < count; index++) {
    const client = await connect(port);
    knocking.push({ client, answer: client.command(`echo ${index}`), text: `${index}` });
  }
  rig.signal("SIGCONT");
  return knocking;
}

/** Each gets its answer, from the fixture or from `cat`, and goes. */
async function serveAll(knocking: readonly Knocking[]): Promise<void> {
  for (const { client, answer, text } of knocking) {
    expect((await answer).replace("echo ", "")).toBe(text);
    client.end();
    await client.rest();
  }
}

/** The daemon tries again after 100, 200, 400, 800 ms: waits until it is about to wait for 1.6 s. */
async function severalTries(rig: Rig): Promise<void> {
  for await (const _ of setInterval(100)) {
    const { failure } = await statusOf(rig);
    if (failure === "descriptors, retrying in 2s") return;
    expect(failure, "still short").toMatch(/^descriptors, retrying in \ds$/);
  }
}
