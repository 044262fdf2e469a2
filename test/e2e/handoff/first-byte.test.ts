/** `wake_on = "data"`: whoever says nothing starts nothing, takes no more than his place, and not for ever. */
import { chmodSync, constants, copyFileSync, rmSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { descriptorsAreBack, startFixture, statusOf } from "../core/tools.ts";
import { startPass } from "../pass/tools.ts";
import { startProxy } from "../proxy/tools.ts";
import { ask, type Client, connect, type Target } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { eventually } from "../rig/proc.ts";
import { askReport } from "../rig/report.ts";
import type { Rig } from "../rig/rig.ts";

const onData = 'wake_on = "data"\n';

const startEcho = (keys = "", tables = "") =>
  startDaemon(`[services.echo]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n${onData}${keys}\n${tables}`);

/** Connects, and waits until the daemon holds the connection. */
async function silent(rig: Rig, target: Target): Promise<Client> {
  const before = rig.descriptors();
  const client = await connect(target);
  await eventually("it is accepted", () => rig.descriptors() > before);
  return client;
}

test("a client that is silent starts nothing; once it speaks, its handler gets all of it", async () => {
  await using rig = await startFixture(onData);
  const port = await rig.port("fixture");
  await using quiet = await silent(rig, port);
  await using other = await connect(port);
  expect(await other.command("echo I came second")).toBe("I came second");
  expect(await statusOf(rig)).toMatchObject({ accepted: 1, spawned: 1, connections: 1 });

  const { descriptors } = await askReport(quiet);
  expect(descriptors[0]).toMatchObject({ fd: 0, flags: constants.O_RDWR });
  quiet.write("echo one\necho two\n");
  quiet.end();
  expect((await quiet.rest()).toString()).toBe("one\ntwo\n");
  expect(await statusOf(rig)).toMatchObject({ accepted: 2, spawned: 2 });
});

test("what was sent before it was accepted is enough", async () => {
  await using rig = await startEcho("max_instances = 1");
  const port = await rig.port("echo");
  await using first = await connect(port);
  first.write("first");
  await rig.event("service.state", { state: "limited" });
  await using early = await connect(port);
  early.write("early");
  early.end();
  first.end();
  expect((await first.rest()).toString()).toBe("first");
  expect((await early.rest()).toString()).toBe("early");
});

test("silence ends after first_byte_timeout, with the refusal", async () => {
  await using rig = await startEcho('first_byte_timeout = "100ms"\nrefusal = "speak!\\n"');
  const port = await rig.port("echo");
  const before = rig.descriptors();
  {
    await using client = await connect(port);
    expect((await client.rest()).toString()).toBe("speak!\n");
    const { remote } = await rig.event("connection.refused", { reason: "timeout" });
    expect(remote).toBe(`tcp://127.0.0.1:${client.socket.localPort}`);
  }
  expect(await ask(port, "hello")).toBe("hello");
  expect(await statusOf(rig)).toMatchObject({ accepted: 1, spawned: 1, refused: { timeout: 1 } });
  await descriptorsAreBack(rig, before);
});

test.each([
  ["closes", (client: Client) => client.socket.destroy()],
  ["half-closes", (client: Client) => client.end()],
  ["resets", (client: Client) => client.reset()],
] as const)("a client that %s without a word is let go quietly", async (_how, leave) => {
  await using rig = await startEcho("max_instances = 1");
  const port = await rig.port("echo");
  const before = rig.descriptors();
  {
    await using client = await silent(rig, port);
    await rig.event("service.state", { state: "limited" });
    leave(client);
    await descriptorsAreBack(rig, before);
  }
  // Its place is free again.
  expect(await ask(port, "hello")).toBe("hello");
  expect(await statusOf(rig)).toMatchObject({ accepted: 1, spawned: 1, refused: {} });
});

test("the silent take the places of max_instances, and who comes then waits", async () => {
  await using rig = await startEcho('max_instances = 2\nfirst_byte_timeout = "1h"');
  const port = await rig.port("echo");
  await using one = await silent(rig, port);
  await using other = await silent(rig, port);
  await rig.event("service.state", { state: "limited", reason: "limit" });
  const third = ask(port, "third");
  one.end();
  expect(await third).toBe("third");
  expect(await ask(port, "fourth")).toBe("fourth");
  other.write("still here");
  other.end();
  expect((await other.rest()).toString()).toBe("still here");
});

test('with on_limit = "refuse" who comes then is refused', async () => {
  await using rig = await startEcho('max_instances = 1\non_limit = "refuse"\nrefusal = "full\\n"');
  const port = await rig.port("echo");
  await using _one = await silent(rig, port);
  await using late = await connect(port);
  expect((await late.rest()).toString()).toBe("full\n");
  await rig.event("connection.refused", { reason: "limit" });
});

test("they count in the total of all services", async () => {
  await using rig = await startDaemon(`
[daemon]
max_connections = 1
[services.quiet]
listen  = "127.0.0.1:0"
command = "cat"
${onData}
[services.other]
listen  = "127.0.0.1:0"
command = "cat"
`);
  const [quiet, other] = [await rig.port("quiet"), await rig.port("other")];
  await using client = await silent(rig, quiet);
  const waiting = ask(other, "hello");
  await rig.event("service.state", { service: "other", state: "limited", reason: "total" });
  expect(await rig.status()).toMatchObject({ daemon: { connections: 1 } });
  client.end();
  expect(await waiting).toBe("hello");
});

test("a service that stops closes them at once", async () => {
  await using rig = await startFixture(`${onData}stop_timeout = "1h"\nfirst_byte_timeout = "1h"`);
  const port = await rig.port("fixture");
  await using stubborn = await connect(port);
  await stubborn.command("ignore 15");
  const { pid } = await rig.event("handler.started");
  await using client = await silent(rig, port);
  rig.signal("SIGTERM");
  await client.rest();
  process.kill(pid, "SIGKILL");
  expect(await rig.exited).toEqual({ code: 0, signal: null });
});

test("who speaks while starts fail is served when they succeed again", async () => {
  await using rig = await startDaemon(({ directory, fixture }) => {
    copyFileSync(fixture("handler"), `${directory}/program`);
    return `[services.echo]
listen      = "127.0.0.1:0"
command     = "${directory}/program"
start_limit = "1/10s"
${onData}`;
  });
  const port = await rig.port("echo");
  await using patient = await silent(rig, port);
  rmSync(`${rig.directory}/program`);
  await using unlucky = await connect(port);
  unlucky.write("echo me\n");
  await rig.event("connection.refused", { reason: "error" });
  await rig.event("service.state", { state: "failed" });
  patient.write("echo here I am\n");
  copyFileSync(`${rig.directory}/handler`, `${rig.directory}/program`);
  chmodSync(`${rig.directory}/program`, 0o755);
  expect(await patient.line()).toBe("here I am");
});

test("Unix clients of the same service need not speak", async () => {
  await using rig = await startDaemon(
    ({ directory }) => `
[services.date]
listen  = ["127.0.0.1:0", "${directory}/date.sock"]
command = ["echo", "now"]
${onData}`,
  );
  await using client = await connect(`${rig.directory}/date.sock`);
  expect((await client.rest()).toString()).toBe("now\n");
});

test("pass: no worker is started for the silent, and room is kept for them", async () => {
  await using rig = await startPass({ keys: `${onData}workers = { max = 1, connections = 2 }` });
  const port = await rig.port("pass");
  await using quiet = await silent(rig, port);
  expect(await statusOf(rig)).toMatchObject({ state: "listening", spawned: 0, handlers: [] });
  await using speaker = await connect(port);
  speaker.write("echo hello\n");
  expect(JSON.parse(await speaker.line()).info.id).toBe(2);
  expect(await speaker.line()).toBe("hello");
  expect(await statusOf(rig)).toMatchObject({ accepted: 1, spawned: 1, connections: 1 });
  // Both places are taken: the next waits in the kernel's queue.
  await using next = await connect(port);
  next.write("echo next\n");
  quiet.end();
  expect(JSON.parse(await next.line()).info.id).toBe(3);
  expect(await next.line()).toBe("next");
  expect(await statusOf(rig)).toMatchObject({ accepted: 2, spawned: 1, refused: {} });
});

test("proxy: the daemon is not started for the silent, who take the places of max_instances", async () => {
  await using rig = await startProxy({ keys: `${onData}max_instances = 2\nfirst_byte_timeout = "1h"` });
  const port = await rig.port("it");
  await using quiet = await silent(rig, port);
  expect(await statusOf(rig)).toMatchObject({ state: "listening", spawned: 0, connections: 0 });
  await using speaker = await connect(port);
  expect(await speaker.command("hello")).toBe("hello");
  expect(await statusOf(rig)).toMatchObject({ state: "limited", accepted: 1, spawned: 1, connections: 1 });
  await using next = await connect(port);
  next.write("next\n");
  expect(await quiet.command("at last")).toBe("at last");
  speaker.end();
  await speaker.rest();
  expect(await next.line()).toBe("next");
});

test.each([
  ["another command serves them", 'handoff = "stdio"\ncommand = ["sed", "s/^/new /"]', "new hello\n"],
  ["another handoff, where nobody could be waited for, closes them", 'handoff = "wait"\ncommand = "cat"', ""],
])("a reload while they are silent: %s", async (_what, keys, answer) => {
  const text = (keys: string, wakeOn: string) =>
    `[services.it]\nlisten = "127.0.0.1:0"\n${keys}\n${wakeOn}[defaults]\nuser = "nobody"\n`;
  await using rig = await startDaemon(
    text('handoff = "stdio"\ncommand = "cat"', `${onData}first_byte_timeout = "1h"\n`),
  );
  const port = await rig.port("it");
  await using client = await silent(rig, port);
  writeFileSync(rig.configPath, text(keys, keys.includes("wait") ? "" : onData));
  rig.signal("SIGHUP");
  expect(await rig.event("daemon.reload")).toMatchObject({ changed: ["it"] });
  if (answer !== "") {
    client.write("hello\n");
    client.end();
  }
  expect((await client.rest()).toString()).toBe(answer);
});
