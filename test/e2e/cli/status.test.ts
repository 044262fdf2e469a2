/** `tinetd status`: for programs, for people, and in a terminal of 80 columns. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { status } from "../../../src/control/messages.ts";
import { connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { needs, program } from "../rig/needs.ts";
import type { Rig } from "../rig/rig.ts";
import { main, tinetd } from "./tinetd.ts";

const startTwo = (): Promise<Rig> =>
  startDaemon(
    ({ fixture }) => `
[services.fixture]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"

[services.broken]
listen  = "127.0.0.1:0"
command = "/nonexistent/program"`,
  );

const ask = (rig: Rig, ...args: string[]) =>
  tinetd(["status", "--control-socket", rig.controlSocket, ...args]);

test("--json is what the control socket answers, and obeys its schema to the letter", async () => {
  await using rig = await startTwo();
  const port = await rig.port("fixture");
  await using client = await connect(port);
  const { pid } = await rig.event("handler.started");
  const { code, stdout, stderr } = await ask(rig, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const answer = status.parse(JSON.parse(stdout));
  // Nothing is in it that the schema does not know.
  expect(answer).toEqual(JSON.parse(stdout));
  const [fixture, broken] = answer.services;
  expect(answer.daemon).toMatchObject({
    pid: rig.pid,
    config: rig.configPath,
    generation: 1,
    connections: 1,
  });
  expect(fixture).toEqual({
    name: "fixture",
    state: "active",
    handoff: "stdio",
    listeners: [{ address: `tcp://127.0.0.1:${port}`, name: "fixture" }],
    handlers: [
      { pid, state: "ready", connections: 1, started_at: expect.stringMatching(rfc3339), idle_for_ms: null },
    ],
    connections: 1,
    accepted: 1,
    refused: {},
    spawned: 1,
    start_failures: 0,
    last_exit: null,
    failure: null,
  });
  expect(broken).toMatchObject({ name: "broken", state: "failed", listeners: [], handlers: [] });
  expect(broken?.failure).toContain("/nonexistent/program");

  client.end();
  await client.rest();
  await rig.event("connection.closed");
  const later = status.parse(JSON.parse((await ask(rig, "--json", "fixture")).stdout));
  expect(later.services).toHaveLength(1);
  expect(later.services[0]).toMatchObject({
    state: "listening",
    handlers: [],
    last_exit: { pid, code: 0, signal: null, at: expect.stringMatching(rfc3339) },
  });
});

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

test("for people: a table, and what is wrong below it; with a name its handlers", async () => {
  await using rig = await startTwo();
  await using client = await connect(await rig.port("fixture"));
  const { pid } = await rig.event("handler.started");
  const all = await ask(rig);
  expect(all).toMatchObject({ code: 0, stderr: "" });
  const lines = all.stdout.split("\n");
  expect(lines[0]).toMatch(new RegExp(`^tinetd \\S+, pid ${rig.pid}, ${rig.configPath}, 1 connections?$`));
  const line = (start: string) => lines.find((each) => each.startsWith(start));
  expect(line("SERVICE ")).toMatch(/ STATE +LISTENERS +RUN +CONN +ACCEPTED +REFUSED +EXIT$/);
  const address = `tcp://127.0.0.1:${await rig.port("fixture")}`;
  expect(line("fixture ")).toMatch(new RegExp(`^fixture +active +${address} +1 +1 +1 +0 +-$`));
  expect(line("broken ")).toMatch(/^broken +failed /);
  expect(line("broken: ")).toMatch(
    /^broken: command: \/nonexistent\/program: no such file or directory, retrying in \ds$/,
  );

  const one = await ask(rig, "fixture");
  expect(one.stdout).toMatch(new RegExp(`^ *${pid} +fixture +ready `, "m"));
  expect(one.stdout).not.toContain("broken");
  expect(await client.command("echo undisturbed")).toBe("undisturbed");
});

test("an unknown service is an error that names it", async () => {
  await using rig = await startTwo();
  expect(await ask(rig, "nothing")).toEqual({
    code: 1,
    stdout: "",
    stderr: 'tinetd: there is no service "nothing"\n',
  });
});

needs(program("script"))("no line of the table is longer than the terminal", async () => {
  await using rig = await startDaemon(`
[services.a-service-with-a-rather-long-name]
listen  = ["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"]
command = "cat"

[services.ssh]
listen  = "127.0.0.1:0"
command = "cat"`);
  const command = `stty cols 80; NO_COLOR=1 ${process.execPath} ${main} status --control-socket ${rig.controlSocket}`;
  const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], { encoding: "utf8" });
  const table = stdout.split(/\r?\n/).filter((line) => /^(SERVICE|ssh|a-service)/.test(line));
  expect(table).toHaveLength(3);
  for (const line of table) expect(line.length).toBeLessThanOrEqual(80);
  // What is cut shows it, and of listeners that have no room there is the number.
  expect(table.find((line) => line.startsWith("a-service"))).toMatch(
    /^a-service-\S*… .* 127\.0\.0\.1:\d+ \+2 /,
  );
});
