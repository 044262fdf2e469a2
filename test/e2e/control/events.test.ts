/** The stream of events, for one who follows and for one who does not read. */
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { descriptorsAreBack, startFixture } from "../core/tools.ts";
import { connect } from "../rig/client.ts";
import type { Rig } from "../rig/rig.ts";
import { call } from "./tools.ts";

test("the last events come first, then each as it happens, to the end of the daemon", async () => {
  await using rig = await startFixture();
  const lines = createInterface({ input: await follow(rig) })[Symbol.asyncIterator]();
  expect(await next(lines)).toMatchObject({ event: "service.listening", service: "fixture", level: "info" });
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo hello");
  let event = await next(lines);
  while (event?.event !== "handler.started") event = await next(lines);
  expect(event).toMatchObject({ service: "fixture", msg: expect.stringContaining("started handler") });
  await rig.stop();
  let last = event;
  for (let later = await next(lines); later !== null; later = await next(lines)) last = later;
  expect(last).toMatchObject({ event: expect.stringMatching(/^(handler|connection|service)\./) });
});

test("without following there is an end behind the last ones", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo hello");
  const names: string[] = [];
  const lines = createInterface({ input: await follow(rig, "?follow=false") })[Symbol.asyncIterator]();
  for (let event = await next(lines); event !== null; event = await next(lines)) names.push(event.event);
  expect(names).toContain("handler.started");
  expect(await client.command("echo on")).toBe("on");
});

test("events that the log leaves out are told all the same", async () => {
  await using rig = await startFixture('log = "none"');
  await using client = await connect(listenerPort(await call(rig, "GET", "/v1/services/fixture")));
  await client.command("echo hello");
  const { body } = await call(rig, "GET", "/v1/services/fixture");
  expect((body as { events: { event: string }[] }).events.map(({ event }) => event)).toContain(
    "handler.started",
  );
});

test("of a service the last ten are kept", async () => {
  await using rig = await startFixture();
  const port = await rig.port("fixture");
  for (let n = 0; n < 10; n++) {
    await using client = await connect(port);
    await client.command(`echo ${n}`);
  }
  const { body } = await call(rig, "GET", "/v1/services/fixture");
  expect((body as { events: unknown[] }).events).toHaveLength(10);
});

test("a follower that does not read keeps nothing waiting, and neither do many", async () => {
  await using rig = await startFixture();
  const before = rig.descriptors();
  const followers = await Promise.all(Array.from({ length: 8 }, () => follow(rig)));
  for (const follower of followers) follower.pause();
  const port = await rig.port("fixture");
  for (let n = 0; n < 50; n++) {
    await using client = await connect(port);
    expect(await client.command(`echo ${n}`)).toBe(`${n}`);
  }
  for (const follower of followers) follower.destroy();
  await descriptorsAreBack(rig, before);
});

async function follow(rig: Rig, query = ""): Promise<IncomingMessage> {
  const sent = request({ socketPath: rig.controlSocket, path: `/v1/events${query}`, agent: false }).end();
  const [response] = await once(sent, "response");
  return response;
}

type Logged = { event: string };

/** `null` at the end. */
async function next(lines: AsyncIterator<string>): Promise<Logged | null> {
  for (;;) {
    const { value, done } = await lines.next();
    if (done === true) return null;
    if (value.startsWith("data: ")) return JSON.parse(value.slice("data: ".length));
  }
}

function listenerPort({ body }: { body: unknown }): number {
  const { service } = body as { service: { listeners: { address: string }[] } };
  return Number(service.listeners[0]?.address.split(":").at(-1));
}
