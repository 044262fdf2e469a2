/** Clients that do not behave: scans, resets, and more refusals than a daemon should have to make. */

import { once } from "node:events";
import { connect as dial } from "node:net";
import { expect, test } from "vitest";
import { connect, readAll } from "../rig/client.ts";
import { eventually } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";
import { descriptorsAreBack, repeat, startFixture, statusOf, zombiesOf } from "./tools.ts";

test("500 connections that are closed at once, as a port scan does", async () => {
  await using rig = await startFixture();
  await expectUndisturbed(rig, 500, async (port) => {
    const socket = dial(port, "127.0.0.1");
    await once(socket, "connect");
    socket.destroy();
    await once(socket, "close");
  });
});

test("500 connections that are reset at once", async () => {
  await using rig = await startFixture();
  await expectUndisturbed(rig, 500, async (port) => {
    const socket = dial(port, "127.0.0.1");
    await once(socket, "connect");
    socket.resetAndDestroy();
    await once(socket, "close");
  });
});

test("2,000 connections that are refused leave nothing behind", async () => {
  await using rig = await startFixture('max_instances = 1\non_limit = "refuse"\nrefusal = "full"');
  const port = await rig.port("fixture");
  const before = rig.descriptors();
  await using client = await connect(port);
  await client.command("echo here");
  const memory = rig.memory();
  await repeat(2_000, 50, async () => {
    expect(await readAll(port)).toBe("full");
  });
  expect(await statusOf(rig)).toMatchObject({ refused: { limit: 2_000 }, accepted: 1, spawned: 1 });
  expect(await client.command("echo undisturbed")).toBe("undisturbed");
  const ofTheHandler = 1;
  await descriptorsAreBack(rig, before + ofTheHandler);
  const grown = rig.memory().residentKb - memory.residentKb;
  process.stdout.write(`2,000 refused connections: resident memory grew by ${grown} KiB\n`);
});

/** Those that had gone before they were accepted are nobody's connections; all others had a handler. */
async function expectUndisturbed(
  rig: Rig,
  count: number,
  knock: (port: number) => Promise<void>,
): Promise<void> {
  const port = await rig.port("fixture");
  const before = rig.descriptors();
  await using other = await connect(port);
  await repeat(count, 20, () => knock(port));
  expect(await other.command("echo undisturbed")).toBe("undisturbed");
  other.end();
  await other.rest();
  await using last = await connect(port);
  expect(await last.command("echo served")).toBe("served");
  last.end();
  await last.rest();
  await eventually("all handlers have ended", () => rig.descendants().length === 0);
  await descriptorsAreBack(rig, before);
  const { accepted, spawned, refused, connections } = await statusOf(rig);
  expect({ refused, connections }).toEqual({ refused: {}, connections: 0 });
  expect(spawned).toBe(accepted);
  expect(zombiesOf(rig.pid)).toEqual([]);
}
