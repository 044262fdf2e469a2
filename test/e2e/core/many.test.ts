/** 20,000 connections, one handler each: what the daemon holds afterwards is what it held before. */
import { connect, type NetConnectOpts } from "node:net";
import { expect, test } from "vitest";
import { eventually } from "../rig/proc.ts";
import { descriptorsAreBack, processorTicks, repeat, startFixture, statusOf, zombiesOf } from "./tools.ts";

const connections = 20_000;
const warmUp = 1_000;
const atOnce = 16;
/** A leak of 1 KiB for each connection would be 20 MiB. */
const mostGrowthKb = 15 * 1024;
/** The heap's young part grows with the load, to 48 MiB, and never shrinks: kept small, so that what grows is kept. */
const smallHeap = { NODE_OPTIONS: "--max-semi-space-size=1" };

test("20,000 connections leave neither descriptors nor memory behind", { timeout: 120_000 }, async () => {
  await using rig = await startFixture("", { args: ["--log-level", "warn"], environment: smallHeap });
  const before = rig.descriptors();
  const { listeners } = await statusOf(rig);
  const { hostname: host, port } = new URL(listeners[0]?.address ?? "");
  const address = { host, port: Number(port) };
  await repeat(warmUp, atOnce, () => visit(address));
  const memory = rig.memory();
  const ticks = processorTicks(rig.pid);

  await repeat(connections, atOnce, () => visit(address));
  await eventually("all handlers have ended", () => rig.descendants().length === 0);
  const { residentKb, privateDirtyKb } = rig.memory();
  process.stdout.write(
    `${connections} connections: descriptors ${before} before, ${rig.descriptors()} after; ` +
      `resident ${memory.residentKb} KiB before, ${residentKb} KiB after; ` +
      `private dirty ${memory.privateDirtyKb} KiB before, ${privateDirtyKb} KiB after; ` +
      `${(((processorTicks(rig.pid) - ticks) * 10_000) / connections).toFixed(0)} us of processor time each\n`,
  );
  expect(await statusOf(rig)).toMatchObject({
    accepted: connections + warmUp,
    spawned: connections + warmUp,
    refused: {},
    connections: 0,
  });
  expect(zombiesOf(rig.pid)).toEqual([]);
  await descriptorsAreBack(rig, before);
  expect(residentKb - memory.residentKb).toBeLessThan(mostGrowthKb);
});

/** Connects, says that nothing will come, and waits for the handler's end. */
function visit(address: NetConnectOpts): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...address, allowHalfOpen: true });
    socket.on("connect", () => socket.end());
    socket.on("error", reject);
    socket.on("end", () => socket.destroy());
    socket.on("close", () => resolve());
    socket.resume();
  });
}
