/** Tables and `tinetd top` in a terminal: colours, width, resize, and that it is given back as it was. */
import { constants } from "node:os";
import { describe, expect } from "vitest";
import { startFixture } from "../core/tools.ts";
import { connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { needs, program } from "../rig/needs.ts";
import { inTerminal } from "./terminal.ts";
import { on } from "./tools.ts";

const { SIGTERM, SIGINT, SIGHUP } = constants.signals;
const python = program("python3");
const alternateScreen = "\u001b[?1049h";
const back = "\u001b[?25h\u001b[?1049l";

/** What is left when what drives the terminal is taken away. */
const plain = (shown: string) => shown.replace(/\u001b\[[?0-9;]*[A-Za-z]/g, "");

needs(python)("top shows who comes, and q gives the terminal back", async () => {
  await using rig = await startFixture();
  using terminal = inTerminal(
    [24, 80],
    ["top", "--interval", "100ms", "--control-socket", rig.controlSocket],
  );
  await terminal.shows(/0 handlers using/);
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo hello");
  const { pid } = await rig.event("handler.started");
  const frame = await terminal.shows(
    new RegExp(`1 handler using[\\s\\S]*${pid} +fixture[\\s\\S]*${pid}[\\s\\S]*\u001b\\[J`),
  );
  for (const line of plain(frame).split("\r\n")) expect(line.length).toBeLessThanOrEqual(80);
  terminal.type("q");
  expect(await terminal.ended).toEqual({ code: 0, restored: true });
  const shown = terminal.shown();
  expect(shown.startsWith(alternateScreen)).toBe(true);
  expect(shown.endsWith(back)).toBe(true);
  // Nothing is wiped before it is written anew: that is what flickers.
  expect(shown).not.toContain("\u001b[2J");
  expect(await client.command("echo undisturbed")).toBe("undisturbed");
});

needs(python)("top draws anew at once when the terminal has another size", async () => {
  await using rig = await startFixture();
  // It would not look again by itself within the test.
  using terminal = inTerminal([24, 80], ["top", "--interval", "1h", "--control-socket", rig.controlSocket]);
  await terminal.shows(/%CPU[\s\S]*\u001b\[J/);
  terminal.resize(10, 40);
  const frame = await terminal.shows(/CONN[\s\S]*\u001b\[J/);
  for (const line of plain(frame).split("\r\n")) expect(line.length).toBeLessThanOrEqual(40);
  terminal.type("\u0003");
  expect(await terminal.ended).toEqual({ code: 0, restored: true });
});

describe("top gives the terminal back however it ends", () => {
  for (const [name, signal] of Object.entries({ SIGTERM, SIGINT, SIGHUP })) {
    needs(python)(name, async () => {
      await using rig = await startFixture();
      using terminal = inTerminal([24, 80], ["top", "--control-socket", rig.controlSocket]);
      await terminal.shows(/PID/);
      terminal.signal(signal);
      expect(await terminal.ended).toEqual({ code: 0, restored: true });
      expect(terminal.shown().endsWith(back)).toBe(true);
    });
  }

  needs(python)("the daemon ends: a line says so where the command was typed", async () => {
    await using rig = await startFixture();
    const args = ["top", "--interval", "100ms", "--control-socket", rig.controlSocket];
    using terminal = inTerminal([24, 80], args);
    await terminal.shows(/PID/);
    await rig.stop();
    expect(await terminal.ended).toEqual({ code: 3, restored: true });
    expect(terminal.shown().split(back)[1]).toBe(`tinetd: no daemon answers on ${rig.controlSocket}\r\n`);
  });

  needs(python)("no daemon at all: nothing but a line", async () => {
    using terminal = inTerminal([24, 80], ["top", "--control-socket", "/nonexistent/x"]);
    expect(await terminal.ended).toEqual({ code: 3, restored: true });
    expect(terminal.shown()).toBe("tinetd: no daemon answers on /nonexistent/x\r\n");
  });
});

needs()("top without a terminal is an error that names what to use instead", async () => {
  await using rig = await startFixture();
  expect(await on(rig, ["top"])).toEqual({
    code: 1,
    stdout: "",
    stderr: "tinetd: top needs a terminal; `tinetd ps` prints the same once\n",
  });
});

needs(python)("every table fits a terminal, with colours that NO_COLOR and a pipe do not get", async () => {
  await using rig = await startDaemon(
    ({ fixture }) => `
[services.a-service-with-a-rather-long-name-that-goes-on]
listen  = ["127.0.0.1:0", "127.0.0.1:0", "[::1]:0", "unix:@tinetd-test-${process.pid}-a-socket-with-a-long-name"]
command = "${fixture("handler")}"

[services.broken]
listen  = "127.0.0.1:0"
command = "/nonexistent/program"`,
  );
  const name = "a-service-with-a-rather-long-name-that-goes-on";
  const [service] = (await rig.status()).services;
  const addresses = service?.listeners.map(({ address }) => address) ?? [];
  const port = addresses
    .find((address) => address.startsWith("tcp://127.0.0.1:"))
    ?.split(":")
    .at(-1);
  await using client = await connect(Number(port));
  await client.command("echo in");
  const socket = ["--control-socket", rig.controlSocket];
  for (const args of [["status"], ["ps"], ["status", name]]) {
    for (const columns of [80, 40]) {
      using terminal = inTerminal([24, columns], [...args, ...socket]);
      expect(await terminal.ended).toEqual({ code: 0, restored: true });
      const tables = plain(terminal.shown())
        .split("\r\n")
        .filter((line) => /^ *(SERVICE|PID|CONN|\d+ {2}|a-serv|broken )/.test(line) && !line.includes(": "));
      expect(tables.length).toBeGreaterThan(1);
      for (const line of tables) expect(line.length).toBeLessThanOrEqual(columns);
    }
  }
  using coloured = inTerminal([24, 80], ["status", ...socket]);
  await coloured.ended;
  expect(coloured.shown()).toContain("\u001b[31mfailed");
  using colourless = inTerminal([24, 80], ["status", ...socket], { NO_COLOR: "1" });
  await colourless.ended;
  expect(colourless.shown()).not.toContain("\u001b");
  const piped = await on(rig, ["status"]);
  expect(piped.stdout).not.toContain("\u001b");
  expect(piped.stdout).toContain(`${name} `);
  expect(piped.stdout).toContain(` ${addresses.join(" ")} `);
});
