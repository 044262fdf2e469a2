/** The rig itself: what other tests rely on when they wait for an event or command the fixture. */
import { constants } from "node:os";
import { expect, test } from "vitest";
import { connect } from "./client.ts";
import { startDaemon } from "./daemon.ts";
import { eventually, isAlive } from "./proc.ts";
import { askReport } from "./report.ts";
import type { Rig } from "./rig.ts";

const { SIGTERM, SIGKILL, SIGUSR1 } = constants.signals;

function startFixture(): Promise<Rig> {
  return startDaemon(
    ({ fixture }) => `
[services.fixture]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"
`,
  );
}

test("the fixture reports about itself and answers commands", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  const { pid } = await rig.event("handler.started", { service: "fixture" });

  const report = await askReport(client);
  expect(report).toMatchObject({ pid, parent: rig.pid, arguments: [`${rig.directory}/handler`] });
  expect(report.descriptors.find(({ fd }) => fd === 0)?.target).toMatch(/^socket:/);
  expect(await client.command("echo some words")).toBe("some words");
  expect(await client.command("write 100000")).toBe("x".repeat(100_000));
  expect(await client.command("nonsense")).toBe("no such command");
  expect(await client.command("stderr to the log")).toBe("done");

  client.end();
  expect((await client.rest()).toString()).toBe("");
  expect(await rig.event("handler.exited", { pid })).toMatchObject({ code: 0, signal: null });
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  expect(rig.otherLines).toEqual(["to the log"]);
});

test("the fixture ends as it is told", async () => {
  await using rig = await startFixture();
  const port = await rig.port("fixture");
  const endings = [
    { command: "exit 7", code: 7, signal: null },
    { command: `signal ${SIGUSR1}`, code: null, signal: "SIGUSR1" },
  ];
  for (const { command, code, signal } of endings) {
    await using client = await connect(port);
    const { pid } = await askReport(client);
    client.write(`${command}\n`);
    await client.rest();
    expect(await rig.event("handler.exited", { pid })).toMatchObject({ code, signal });
  }
});

test("the fixture catches and ignores signals, and its children outlive it", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  const { pid } = await askReport(client);

  expect(await client.command(`catch ${SIGUSR1}`)).toBe("done");
  expect(await client.command(`ignore ${SIGTERM}`)).toBe("done");
  process.kill(pid, SIGTERM);
  process.kill(pid, SIGUSR1);
  expect(await client.line()).toBe(`caught ${SIGUSR1}`);

  const children = [Number(await client.command("fork")), Number(await client.command("daemonize"))];
  process.kill(pid, SIGKILL);
  await client.rest();
  expect(children.filter(isAlive)).toEqual(children);
  for (const child of children) process.kill(child, SIGKILL);
  await eventually("the children are gone", () => !children.some(isAlive));
});

test("an event that cannot come any more is not waited for", async () => {
  await using rig = await startFixture();
  await rig.stop();
  await expect(rig.event("handler.started")).rejects.toThrow("the daemon ended without handler.started");
});
