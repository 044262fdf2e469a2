/** Handlers that tinetd ends: signal, patience, SIGKILL, and what of their processes goes with them. */
import { constants } from "node:os";
import { expect, test } from "vitest";
import { type Client, connect } from "../rig/client.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import { askReport } from "../rig/report.ts";
import { startFixture, statusOf, zombiesOf } from "./tools.ts";

const { SIGINT, SIGKILL, SIGSTOP, SIGTERM } = constants.signals;

const aMinute = 'stop_timeout = "1m"';
const aMoment = 'stop_timeout = "200ms"';

test("a handler gets stop_signal, has stop_timeout to end, and ends with a status of its own", async () => {
  await using rig = await startFixture(`stop_signal = "SIGINT"\n${aMinute}`);
  await using client = await connect(await rig.port("fixture"));
  const { pid } = await askReport(client);
  await client.command(`catch ${SIGINT}`);
  rig.signal("SIGTERM");
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, signal: "SIGINT" });
  expect(await client.line()).toBe(`caught ${SIGINT}`);
  expect(await client.command("echo finishing my work")).toBe("finishing my work");
  client.write("exit 9\n");
  expect(await rig.event("handler.exited")).toMatchObject({ pid, code: 9, signal: null });
  expect(await rig.exited).toEqual({ code: 0, signal: null });
});

test("a handler that ignores the signal is killed after stop_timeout", async () => {
  await using rig = await startFixture(aMoment);
  await using client = await connect(await rig.port("fixture"));
  await client.command(`ignore ${SIGTERM}`);
  rig.signal("SIGTERM");
  await client.rest();
  expect(await rig.event("handler.exited")).toMatchObject({ code: null, signal: "SIGKILL" });
  expect(await rig.exited).toEqual({ code: 0, signal: null });
});

test("a handler that is stopped by a debugger or a shell ends by the signal all the same", async () => {
  await using rig = await startFixture(aMinute);
  await using client = await connect(await rig.port("fixture"));
  const { pid } = await askReport(client);
  process.kill(pid, SIGSTOP);
  rig.signal("SIGTERM");
  expect(await rig.event("handler.exited")).toMatchObject({ pid, signal: "SIGTERM" });
});

test("max_lifetime ends a handler, and the service goes on", async () => {
  await using rig = await startFixture(`max_lifetime = "300ms"\n${aMoment}`);
  const port = await rig.port("fixture");
  await using polite = await connect(port);
  const { pid } = await rig.event("handler.started");
  const stopping = await rig.event("handler.stopping", { pid });
  expect(stopping).toMatchObject({ reason: "max_lifetime", signal: "SIGTERM" });
  expect(await rig.event("handler.exited", { pid })).toMatchObject({ signal: "SIGTERM" });
  expect((await polite.rest()).toString()).toBe("");

  await using stubborn = await connect(port);
  stubborn.write(`ignore ${SIGTERM}\n`);
  await rig.event("handler.exited", { signal: "SIGKILL" });
  expect(await statusOf(rig)).toMatchObject({ state: "listening", handlers: [] });
  expect(zombiesOf(rig.pid)).toEqual([]);
});

test('kill_mode "group": children that were left in the group get the signal too', async () => {
  await using rig = await startFixture(`kill_mode = "group"\n${aMinute}`);
  await using client = await connect(await rig.port("fixture"));
  const child = Number(await client.command("fork"));
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  expect(isAlive(child)).toBe(false);
});

test('kill_mode "group": a deaf child is waited for, then killed, though the handler has ended', async () => {
  await using rig = await startFixture(aMoment);
  await using client = await connect(await rig.port("fixture"));
  const child = await forkDeaf(client);
  await client.command(`catch ${SIGTERM}`);
  rig.signal("SIGTERM");
  expect(await client.line()).toBe(`caught ${SIGTERM}`);
  client.write("exit 0\n");
  expect(await rig.event("handler.exited")).toMatchObject({ code: 0 });
  expect(await rig.exited).toEqual({ code: 0, signal: null });
  expect(isAlive(child)).toBe(false);
});

test('kill_mode "group": a handler that is killed takes its deaf children with it', async () => {
  await using rig = await startFixture(aMoment);
  await using client = await connect(await rig.port("fixture"));
  const child = await forkDeaf(client);
  rig.signal("SIGTERM");
  expect(await rig.event("handler.exited")).toMatchObject({ signal: "SIGKILL" });
  expect(await rig.exited).toEqual({ code: 0, signal: null });
  expect(isAlive(child)).toBe(false);
});

test('kill_mode "process": children are left alone, also when the handler is killed', async () => {
  await using rig = await startFixture(`kill_mode = "process"\n${aMoment}`);
  await using polite = await connect(await rig.port("fixture"));
  await using deaf = await connect(await rig.port("fixture"));
  const children = [Number(await polite.command("fork")), Number(await deaf.command("fork"))];
  try {
    await deaf.command(`ignore ${SIGTERM}`);
    expect(await rig.stop()).toEqual({ code: 0, signal: null });
    const signals = rig.events.flatMap((each) => (each.event === "handler.exited" ? [each.signal] : []));
    expect(signals.sort()).toEqual(["SIGKILL", "SIGTERM"]);
    expect(children.filter(isAlive)).toEqual(children);
  } finally {
    for (const child of children) process.kill(child, SIGKILL);
    await eventually("the children are gone", () => !children.some(isAlive));
  }
});

/** A child of the handler that ignores SIGTERM, and so does the handler. */
async function forkDeaf(client: Client): Promise<number> {
  await client.command(`ignore ${SIGTERM}`);
  return Number(await client.command("fork"));
}
