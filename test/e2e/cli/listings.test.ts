/** `ps`, `events`, `why` and `status SERVICE`: for people, and by the schema of the API. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { connectionEntry, handlerEntry, list, loggedEvent, why } from "../../../src/control/messages.ts";
import { startFixture } from "../core/tools.ts";
import { connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { main } from "./tinetd.ts";
import { fieldsOf, on } from "./tools.ts";

test("ps lists handlers and connections with what they have done", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo hello");
  const { pid } = await rig.event("handler.started");
  const { connection, remote, local } = await rig.event("connection.accepted");
  const { code, stdout, stderr } = await on(rig, ["ps"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [handlers = "", connections = ""] = stdout.split("\n\n");
  expect(handlers).toMatch(/^ *PID +SERVICE +STATE +CONN +PEER +AGE +IDLE +IN +OUT +CPU +MEM +SAYS$/m);
  expect(fieldsOf(handlers, `${pid}`)).toEqual([
    `${pid}`,
    "fixture",
    "ready",
    "1",
    remote,
    ...[expect.stringMatching(/^\d+s$/), expect.stringMatching(/^\d+s$/)],
    ...["11", "6", expect.stringMatching(/^\d+\.\d\ds$/), expect.stringMatching(/^[\d.]+[KM]$/)],
  ]);
  expect(fieldsOf(connections, `${connection}`).slice(0, 5)).toEqual([
    ...[`${connection}`, "fixture", `${pid}`, remote, local],
  ]);
});

test("ps --json has the listings of the API, to the letter", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo hello");
  const { pid } = await rig.event("handler.started");
  const answer = JSON.parse((await on(rig, ["ps", "--json"])).stdout);
  expect(list(handlerEntry).parse(answer.handlers)).toEqual(answer.handlers);
  expect(list(connectionEntry).parse(answer.connections)).toEqual(answer.connections);
  expect(answer.handlers).toMatchObject([{ pid, service: "fixture" }]);
  expect(answer.connections).toMatchObject([{ pid, service: "fixture" }]);
});

test("status SERVICE has its handlers, connections, refusals by reason and last events", async () => {
  await using rig = await startFixture('max_instances = 1\non_limit = "refuse"');
  const port = await rig.port("fixture");
  await using client = await connect(port);
  await client.command("echo in");
  const { pid } = await rig.event("handler.started");
  await using refused = await connect(port);
  await refused.rest();
  const { reason } = await rig.event("connection.refused");
  const { code, stdout, stderr } = await on(rig, ["status", "fixture"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^fixture: (active|limited), handoff stdio$/m);
  expect(stdout).toMatch(new RegExp(`^  listens on tcp://127.0.0.1:${port}$`, "m"));
  expect(stdout).toMatch(new RegExp(`^  refused 1: ${reason}$`, "m"));
  expect(fieldsOf(stdout, `${pid}`)).toContain("ready");
  expect(stdout).toMatch(/Z warn: "fixture" refused tcp:/);
});

test("an unknown service: what was perhaps meant, also from status and why", async () => {
  await using rig = await startFixture();
  const outcome = {
    code: 1,
    stdout: "",
    stderr: 'tinetd: there is no service "fixtur"; did you mean "fixture"?\n',
  };
  expect(await on(rig, ["status", "fixtur"])).toEqual(outcome);
  expect(await on(rig, ["status", "--json", "fixtur"])).toEqual(outcome);
  expect(await on(rig, ["why", "fixtur"])).toEqual(outcome);
});

test("events prints the last ones and ends; with --json as the log has them", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo hello");
  const { pid } = await rig.event("handler.started");
  const { code, stdout, stderr } = await on(rig, ["events"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(new RegExp(`^${instant} "fixture" started handler ${pid}$`, "m"));
  const lines = (await on(rig, ["events", "--json"])).stdout.trimEnd().split("\n");
  const parsed = lines.map((line) => loggedEvent.parse(JSON.parse(line)));
  expect(parsed).toContainEqual(expect.objectContaining({ event: "handler.started", pid }));
});

const instant = "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ";

test("events --follow prints what happens as it happens, until the daemon ends", async () => {
  await using rig = await startFixture();
  const words = [main, "events", "--follow", "--json", "--control-socket", rig.controlSocket];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  using _end = { [Symbol.dispose]: () => void child.kill() };
  const ended = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const names: string[] = [];
  const until = async (name: string) => {
    while (names.at(-1) !== name) {
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`no ${name} after ${names.join(" ")}`);
      names.push(JSON.parse(value).event);
    }
  };
  await until("daemon.ready");
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo hello");
  await until("handler.started");
  await rig.stop();
  await until("handler.exited");
  expect(await ended).toEqual([0, null]);
});

test("why says who woke it, and why it has failed and until when", async () => {
  await using rig = await startDaemon(
    ({ fixture }) => `
[services.fixture]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"

[services.broken]
listen  = "127.0.0.1:0"
command = "/nonexistent/program"`,
  );
  expect((await on(rig, ["why", "fixture"])).stdout).toBe(
    "fixture is listening\nno handler was started so far\n",
  );
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo in");
  const { pid } = await rig.event("handler.started");
  const { remote } = await rig.event("connection.accepted");
  expect((await on(rig, ["why", "fixture"])).stdout).toMatch(
    new RegExp(
      `^fixture is active\\nhandler ${pid} was the last started, for ${remote}, at \\S+Z \\(\\d+s ago\\)\\n`,
    ),
  );
  expect((await on(rig, ["why", "broken"])).stdout).toMatch(
    /^broken is failed: command: \/nonexistent\/program: no such file or directory, until \S+Z \(\d+s from now\)\n/,
  );
  const { stdout } = await on(rig, ["why", "broken", "--json"]);
  expect(why.parse(JSON.parse(stdout))).toEqual(JSON.parse(stdout));
});
