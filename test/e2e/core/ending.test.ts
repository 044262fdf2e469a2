/** Handlers that end by themselves: what is told of it, what is left, and that nothing is. */
import { constants } from "node:os";
import { expect, test } from "vitest";
import { connect } from "../rig/client.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import { askReport } from "../rig/report.ts";
import { descriptorsAreBack, repeat, startFixture, statusOf, zombiesOf } from "./tools.ts";

const { SIGKILL, SIGSEGV } = constants.signals;

test("an end is told with status or signal, duration and times, and stands in the status", async () => {
  await using rig = await startFixture();
  const port = await rig.port("fixture");
  const endings = [
    { command: "exit 0", code: 0, signal: null },
    { command: "exit 255", code: 255, signal: null },
    { command: `signal ${SIGSEGV}`, code: null, signal: "SIGSEGV" },
    { command: `signal ${SIGKILL}`, code: null, signal: "SIGKILL" },
  ];
  for (const { command, code, signal } of endings) {
    await using client = await connect(port);
    const { pid } = await askReport(client);
    const remote = `tcp://127.0.0.1:${client.socket.localPort}`;
    const { connection } = await rig.event("handler.started", { pid });
    client.write(`${command}\n`);
    await client.rest();

    const exited = await rig.event("handler.exited", { pid });
    expect(exited).toMatchObject({ level: "info", service: "fixture", code, signal });
    for (const field of ["duration_ms", "user_ms", "system_ms"] as const) {
      expect(exited[field]).toBeGreaterThanOrEqual(0);
    }
    expect(await rig.event("connection.closed", { pid })).toMatchObject({ connection, remote, code, signal });
    const last = { pid, code, signal };
    expect(await statusOf(rig)).toMatchObject({ state: "listening", handlers: [], last_exit: last });
  }
  expect(await statusOf(rig)).toMatchObject({ accepted: 4, spawned: 4, start_failures: 0, refused: {} });
});

test("children that a handler leaves behind live on when it exits by itself, its group until the service ends", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  const ofGroup = Number(await client.command("fork"));
  const onItsOwn = Number(await client.command("daemonize"));
  const children = [ofGroup, onItsOwn];
  try {
    client.end();
    await client.rest();
    await rig.event("connection.closed");
    expect(children.filter(isAlive)).toEqual(children);
    await rig.stop();
    expect(children.filter(isAlive)).toEqual([onItsOwn]);
  } finally {
    for (const child of children.filter(isAlive)) process.kill(child, SIGKILL);
    await eventually("the children are gone", () => !children.some(isAlive));
  }
});

test("a handler that closes its connection and lives on is still a handler", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  const { pid } = await askReport(client);
  client.write("leave\n");
  await client.rest();
  expect(await statusOf(rig)).toMatchObject({ state: "active", handlers: [{ pid }] });
  await rig.stop();
  expect(await rig.event("handler.exited")).toMatchObject({ pid, code: null, signal: "SIGTERM" });
});

test("no zombie and no descriptor is left, however many end at once", async () => {
  await using rig = await startFixture('stderr = "log"');
  const port = await rig.port("fixture");
  const before = rig.descriptors();
  const endings = ["exit 0", "exit 1", `signal ${SIGKILL}`, `signal ${SIGSEGV}`];
  await repeat(120, 40, async (index) => {
    await using client = await connect(port);
    await client.command("echo here");
    client.write(`${endings[index % endings.length]}\n`);
    await client.rest();
  });
  const exits = () => rig.events.filter(({ event }) => event === "handler.exited").length;
  await rig.event("handler.exited", () => exits() === 120);
  expect(zombiesOf(rig.pid)).toEqual([]);
  expect(rig.descendants()).toEqual([]);
  await descriptorsAreBack(rig, before);
});
