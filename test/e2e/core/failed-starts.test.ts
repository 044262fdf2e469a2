/** Handlers that cannot be started: what the client sees, how the service waits, and that it recovers by itself. */
import { chmodSync, mkdirSync, renameSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ask, connect, readAll } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import type { Rig } from "../rig/rig.ts";
import { descriptorsAreBack, startFixture, statusOf, zombiesOf } from "./tools.ts";

const refusal = `come back later\n${"and read this meanwhile\n".repeat(400)}`;

test("the client gets the refusal whole, the event has stage and errno, and nothing is left of the try", async () => {
  await using rig = await startFixture(`refusal = ${JSON.stringify(refusal)}`);
  const port = await rig.port("fixture");
  const before = rig.descriptors();
  const away = takeAway(rig, "handler");
  await using client = await connect(port);
  const remote = `tcp://127.0.0.1:${client.socket.localPort}`;
  client.write("x".repeat(64 * 1024));
  expect((await client.rest()).toString()).toBe(refusal);
  client.end();
  expect(await rig.event("connection.refused")).toMatchObject({
    level: "error",
    reason: "error",
    error: 'cannot start "fixture": exec: ENOENT',
    remote,
  });
  expect(await statusOf(rig)).toMatchObject({
    accepted: 0,
    spawned: 0,
    start_failures: 1,
    refused: { error: 1 },
    connections: 0,
  });
  expect(zombiesOf(rig.pid)).toEqual([]);
  await descriptorsAreBack(rig, before);

  away.bringBack();
  expect(await ask(port, "echo here\n")).toBe("here\n");
});

test("without a refusal the connection just ends", async () => {
  await using rig = await startFixture();
  takeAway(rig, "handler");
  expect(await readAll(await rig.port("fixture"))).toBe("");
});

test("the step that failed is named", async () => {
  await using rig = await startDaemon(({ directory, fixture }) => {
    mkdirSync(join(directory, "work"));
    return `
[services.forbidden]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"

[services.astray]
listen  = "127.0.0.1:0"
command = "cat"
working_directory = "${directory}/work"`;
  });
  chmodSync(join(rig.directory, "handler"), 0o000);
  rmdirSync(join(rig.directory, "work"));
  const errors = { forbidden: "exec: EACCES", astray: "working directory: ENOENT" };
  for (const [service, error] of Object.entries(errors)) {
    await readAll(await rig.port(service));
    const refused = await rig.event("connection.refused", { service });
    expect(refused.error).toBe(`cannot start "${service}": ${error}`);
  }
});

test('at start_limit the service is failed for a while; with on_limit "queue" clients wait and are served', async () => {
  await using rig = await startFixture('start_limit = "2/1m"\nrefusal = "sorry"');
  const port = await rig.port("fixture");
  const away = takeAway(rig, "handler");
  expect(await readAll(port)).toBe("sorry");
  expect(await readAll(port)).toBe("sorry");
  const failed = await rig.event("service.state", { state: "failed" });
  const reason = 'cannot start "fixture": exec: ENOENT';
  expect(failed).toMatchObject({ level: "warn", reason });
  expect(decided(failed)).toBe(1000);

  await using waiting = await connect(port);
  const { state, start_failures, failure } = await statusOf(rig);
  expect({ state, start_failures }).toEqual({ state: "failed", start_failures: 2 });
  expect(failure).toMatch(/^cannot start "fixture": exec: ENOENT, retrying in \ds$/);
  away.bringBack();
  expect(await waiting.command("echo at last")).toBe("at last");
  expect(await statusOf(rig)).toMatchObject({ state: "active", failure: null });
});

test("each wait in a row is longer than the one before", async () => {
  await using rig = await startFixture('start_limit = "1/1m"');
  const port = await rig.port("fixture");
  takeAway(rig, "handler");
  await readAll(port);
  const first = await rig.event("service.state", { state: "failed" });
  await readAll(port);
  const second = await rig.event("service.state", { state: "failed" }, { after: first });
  expect([first, second].map(decided)).toEqual([1000, 2000]);
});

/** The wait that was decided: what is left of it when the line is written may be a millisecond less. */
function decided({ until_ms = 0 }: { until_ms?: number }): number {
  return Math.round(until_ms / 100) * 100;
}

test('with on_limit "refuse" clients of a failed service are told so at once, and it recovers', async () => {
  await using rig = await startFixture('start_limit = "1/1m"\non_limit = "refuse"\nrefusal = "sorry"', {
    args: ["--log-level", "debug"],
  });
  const port = await rig.port("fixture");
  const away = takeAway(rig, "handler");
  expect(await readAll(port)).toBe("sorry");
  const failed = await rig.event("service.state", { state: "failed" });
  expect(await readAll(port)).toBe("sorry");
  const refused = await rig.event("connection.refused", {}, { after: failed });
  expect(refused.reason).toBe("error");
  expect(await statusOf(rig)).toMatchObject({ refused: { error: 2 }, start_failures: 1 });
  away.bringBack();
  await rig.event("service.state", { state: "listening" }, { after: failed });
  expect(await ask(port, "echo here\n")).toBe("here\n");
});

test("a handler's exit status is never a failed start", async () => {
  await using rig = await startFixture('start_limit = "1/1m"');
  const port = await rig.port("fixture");
  for (let round = 0; round < 5; round++) expect(await ask(port, "exit 1\n")).toBe("");
  expect(await statusOf(rig)).toMatchObject({ start_failures: 0, failure: null });
});

/** Renames a file of the rig's directory away. */
function takeAway({ directory }: Rig, name: string): { bringBack: () => void } {
  const path = join(directory, name);
  renameSync(path, `${path}.away`);
  return { bringBack: () => renameSync(`${path}.away`, path) };
}
