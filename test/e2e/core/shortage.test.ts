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
const options = { launcher: ["prlimit", "--nofile=240:240", "--"] };
const clients = 120;

test("clients wait, the log has one line, the control socket answers, and in the end all are served", async () => {
  await using rig = await startFixture('stderr = "log"', options);
  const port = await rig.port("fixture");
  const before = rig.descriptors();
  const waiting: Client[] = [];
  const answers: Promise<string>[] = [];
  for (let index = 0; index < clients; index++) {
    const client = await connect(port);
    waiting.push(client);
    answers.push(client.command(`echo ${index}`));
  }
  const short = await rig.event("service.state", { state: "limited", reason: "descriptors" });
  expect(short.level).toBe("warn");

  const ticks = processorTicks(rig.pid);
  await severalTries(rig);
  expect(processorTicks(rig.pid) - ticks, "ticks of 10 ms, in 1.5 s").toBeLessThan(60);
  expect((await statusOf(rig)).accepted).toBeLessThan(clients);

  for (const [index, client] of waiting.entries()) {
    expect(await answers[index]).toBe(`${index}`);
    client.end();
    await client.rest();
  }
  expect(await statusOf(rig)).toMatchObject({ accepted: clients, refused: {}, failure: null });
  expect(rig.events.filter(({ event }) => event === "service.state")).toEqual([short]);
  await descriptorsAreBack(rig, before);
});

test("another service, which has room of its own, is not served from the last descriptors either", async () => {
  await using rig = await startFixture(
    `stderr = "log"
[services.other]
listen  = "127.0.0.1:0"
command = "cat"`,
    options,
  );
  const holding: Client[] = [];
  for (let index = 0; index < clients; index++) holding.push(await connect(await rig.port("fixture")));
  await rig.event("service.state", { service: "fixture", state: "limited" });
  const others = await Promise.all(Array.from({ length: 30 }, async () => connect(await rig.port("other"))));
  for (const other of others) other.write("hello\n");
  await rig.event("service.state", { service: "other", state: "limited" });
  for (const client of holding) client.end();
  for (const other of others) expect(await other.line()).toBe("hello");
  expect((await statusOf(rig, "other")).refused).toEqual({});
  for (const client of [...holding, ...others]) await client[Symbol.asyncDispose]();
});

/** The daemon tries again after 100, 200, 400, 800 ms: waits until it is about to wait for 1.6 s. */
async function severalTries(rig: Rig): Promise<void> {
  for await (const _ of setInterval(100)) {
    const { failure } = await statusOf(rig);
    if (failure === "descriptors, retrying in 2s") return;
    expect(failure, "still short").toMatch(/^descriptors, retrying in \ds$/);
  }
}
