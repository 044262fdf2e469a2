/** `start`, `stop`, `restart`, `pause`, `resume`, `kill`, `shutdown`: their effect, their silence, their exit codes. */
import { expect, test } from "vitest";
import { startFixture, statusOf } from "../core/tools.ts";
import { connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { asRoot, needs, program } from "../rig/needs.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import { on, silent } from "./tools.ts";

const startTwo = () =>
  startDaemon(
    ({ fixture }) => `
[services.one]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"

[services.two]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"`,
  );

const statesOf = async (rig: Awaited<ReturnType<typeof startTwo>>) =>
  Object.fromEntries((await rig.status()).services.map(({ name, state }) => [name, state]));

test("several services are stopped and started in one go", async () => {
  await using rig = await startTwo();
  expect(await on(rig, ["stop", "one", "two"])).toEqual(silent);
  expect(await statesOf(rig)).toEqual({ one: "stopped", two: "stopped" });
  expect(await on(rig, ["start", "two", "one", "two"])).toEqual(silent);
  expect(await statesOf(rig)).toEqual({ one: "listening", two: "listening" });
});

test("a slip in the last name touches none of them", async () => {
  await using rig = await startTwo();
  expect(await on(rig, ["stop", "one", "twoo"])).toEqual({
    code: 1,
    stdout: "",
    stderr: 'tinetd: there is no service "twoo"; did you mean "two"?\n',
  });
  expect(await statesOf(rig)).toEqual({ one: "listening", two: "listening" });
});

test("what cannot be done with one is told, and done with the other", async () => {
  await using rig = await startTwo();
  expect(await on(rig, ["stop", "one"])).toEqual(silent);
  expect(await on(rig, ["pause", "one", "two"])).toEqual({
    code: 1,
    stdout: "",
    stderr: 'tinetd: "one" is stopped and cannot be paused\n',
  });
  expect(await statesOf(rig)).toEqual({ one: "stopped", two: "paused" });
});

test("stop --drain returns when the last client has gone", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo in");
  let returned = false;
  const stopping = on(rig, ["stop", "--drain", "fixture"]).then((outcome) => {
    returned = true;
    return outcome;
  });
  await rig.event("service.state", { state: "stopped" });
  expect(await client.command("echo still")).toBe("still");
  expect(returned).toBe(false);
  client.end();
  expect(await stopping).toEqual(silent);
});

test("restart ends the handlers and listens again; with --drain they may finish", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo in");
  expect(await on(rig, ["restart", "fixture"])).toEqual(silent);
  expect((await client.rest()).toString()).toBe("");
  expect(await statusOf(rig)).toMatchObject({ state: "listening", handlers: [] });
  expect(await on(rig, ["restart", "--drain", "fixture"])).toEqual(silent);
});

test("pause keeps clients waiting until resume, or --max-wait", async () => {
  await using rig = await startFixture();
  const port = await rig.port("fixture");
  expect(await on(rig, ["pause", "fixture"])).toEqual(silent);
  await using client = await connect(port);
  const answer = client.command("echo in");
  expect(await statusOf(rig)).toMatchObject({ state: "paused", accepted: 0 });
  expect(await on(rig, ["resume", "fixture"])).toEqual(silent);
  expect(await answer).toBe("in");
  expect(await on(rig, ["pause", "--max-wait", "300ms", "fixture"])).toEqual(silent);
  await using other = await connect(port);
  expect(await other.command("echo later")).toBe("later");
});

test.each([
  [["pause", "--max-wait", "soon", "fixture"], '--max-wait: expected a duration such as 60s, not "soon"'],
  [["kill", "cat"], 'kill: expected the pid of a handler or the number of a connection, not "cat"'],
  [["kill", "1", "--handler", "--connection"], "--handler does not go with --connection"],
  [["top", "--interval", "0s"], '--interval: expected a duration of at least 100ms, such as 2s, not "0s"'],
  [["stop"], "missing required argument 'service'"],
])("wrong usage: %j", async (args, message) => {
  await using rig = await startFixture();
  expect(await on(rig, args)).toEqual({ code: 2, stdout: "", stderr: `tinetd: ${message}\n` });
  expect(await statusOf(rig)).toMatchObject({ state: "listening" });
});

test("kill ends a handler by its pid, a connection by its number, and no other process", async () => {
  await using rig = await startFixture();
  const port = await rig.port("fixture");
  await using one = await connect(port);
  await one.command("echo 1");
  const { pid } = await rig.event("handler.started");
  await using other = await connect(port);
  await other.command("echo 2");
  const { connection } = await rig.event(
    "connection.accepted",
    {},
    { after: await rig.event("handler.started") },
  );
  expect(await on(rig, ["kill", `${pid}`])).toEqual(silent);
  expect((await one.rest()).toString()).toBe("");
  expect(await other.command("echo still")).toBe("still");
  expect(await on(rig, ["kill", `${connection}`])).toEqual(silent);
  expect((await other.rest()).toString()).toBe("");
  expect(await on(rig, ["kill", `${process.pid}`])).toEqual({
    code: 1,
    stdout: "",
    stderr: `tinetd: ${process.pid} is no handler and no connection of this daemon\n`,
  });
  expect(await on(rig, ["kill", "--handler", `${process.pid}`])).toEqual({
    code: 1,
    stdout: "",
    stderr: `tinetd: ${process.pid} is no handler of this daemon\n`,
  });
});

test("shutdown returns when the handlers have gone, and there is no daemon then", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo in");
  const { pid } = await rig.event("handler.started");
  expect(await on(rig, ["shutdown"])).toEqual(silent);
  expect(isAlive(pid)).toBe(false);
  await eventually("the daemon has ended", () => !isAlive(rig.pid));
  expect(await on(rig, ["status"])).toEqual({
    code: 3,
    stdout: "",
    stderr: `tinetd: no daemon answers on ${rig.controlSocket}\n`,
  });
});

needs(asRoot, program("setpriv"))("whoever may not is told so, and nothing else", async () => {
  await using rig = await startDaemon(
    `[daemon]\ncontrol_group = "staff"\nstatus_group = "adm"\n[services.cat]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n`,
  );
  // Allowed to read this checkout wherever it is, and nothing more. Debian's group adm is 4.
  const as = (groups: string) => {
    const reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"];
    return { launcher: ["setpriv", "--reuid=12345", "--regid=12345", groups, ...reading] };
  };
  expect(await on(rig, ["status"], as("--clear-groups"))).toEqual({
    code: 1,
    stdout: "",
    stderr: `tinetd: not permitted: ${rig.controlSocket}: you may not call this daemon\n`,
  });
  expect(await on(rig, ["events"], as("--clear-groups"))).toMatchObject({
    code: 1,
    stderr: `tinetd: not permitted: ${rig.controlSocket}: you may not call this daemon\n`,
  });
  expect(await on(rig, ["status"], as("--groups=4"))).toMatchObject({ code: 0, stderr: "" });
  expect(await on(rig, ["stop", "cat"], as("--groups=4"))).toEqual({
    code: 1,
    stdout: "",
    stderr: "tinetd: not permitted: members of status_group may read: POST needs control_group\n",
  });
});
