/**
 * The telnetd of inetutils, with telnet in a terminal.
 *
 * Both negotiate before anything else: type and size of the terminal, who echoes. The daemon opens a pseudo-terminal,
 * and what runs in it is in a session of its own, outside the handler's process group.
 */
import { join } from "node:path";
import { expect } from "vitest";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { repository } from "../e2e/rig/fixtures.ts";
import { asRoot, needs, program } from "../e2e/rig/needs.ts";
import { eventually, isAlive } from "../e2e/rig/proc.ts";
import type { Rig } from "../e2e/rig/rig.ts";
import { documented } from "./documented.ts";
import { succeed } from "./run.ts";
import { expectIdle, expectServed } from "./served.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

/** Only unpacked, for its package installs an inetd (scripts/test-packages.txt). */
const telnetd = join(repository, "build/peers/inetutils-telnetd/usr/sbin/telnetd");

const all = [program(telnetd), program("telnet"), program("script")];
const possible = needs(...all);

possible("gives a shell in a terminal like the client's", async () => {
  await using rig = await startTelnetd();
  const idle = expectIdle(rig);
  await using terminal = await telnet(rig);

  terminal.type("stty size; tty; echo $TERM\n");
  await terminal.shows(/\n33 77\r\n\/dev\/pts\/\d+\r\nvt100\r\n\$ /);

  await succeed("stty", ["-F", terminal.device, "rows", "50", "cols", "120"]);
  terminal.type("stty size\n");
  await terminal.shows(/\n50 120\r\n\$ /);

  terminal.type("seq 20000\n");
  const [numbers] = await terminal.shows(/\n1\r\n[^$]*\$ /);
  expect(numbers.trim().split("\r\n")).toEqual([
    ...Array.from({ length: 20_000 }, (_, n) => `${n + 1}`),
    "$",
  ]);

  terminal.type("cat\n");
  terminal.type("typed\n");
  await terminal.shows(/\ntyped\r\ntyped\r\n/);
  terminal.type("\x03");
  await terminal.shows(/\^C\r\n\$ /);

  terminal.type("exit\n");
  await terminal.shows(/Connection closed by foreign host/);
  await expectServed(rig, "telnet", 1, idle);
});

possible("the shell ends when its client hangs up", async () => {
  await using rig = await startTelnetd();
  const idle = expectIdle(rig);
  const shells: number[] = [];
  {
    await using terminal = await telnet(rig);
    shells.push(await shellOf(terminal));
    terminal.type("sleep 1000\n");
    await terminal.shows(/sleep 1000\r\n/);
  }
  await expectServed(rig, "telnet", 1, idle);
  await eventually("the shell has ended", () => !shells.some(isAlive));
});

possible("the shell ends with the daemon", async () => {
  await using rig = await startTelnetd();
  await using terminal = await telnet(rig);
  const shell = await shellOf(terminal);
  expect(isAlive(shell)).toBe(true);
  await rig.stop();
  await terminal.shows(/Connection closed by foreign host/);
  await eventually("the shell has ended", () => !isAlive(shell));
});

needs(
  asRoot,
  ...all,
  program("/bin/login"),
)("asks who it is, as root and with login", async () => {
  await using rig = await startTelnetd({ ', "--exec-login=/bin/sh"': "", '"nobody"': '"root"' });
  const idle = expectIdle(rig);
  {
    await using terminal = await openTelnet(rig);
    await terminal.shows(/login: /);
    terminal.type("nobody-of-that-name\n");
    await terminal.shows(/Password: /);
    terminal.type("x\n");
    await terminal.shows(/Login incorrect/);
  }
  await expectServed(rig, "telnet", 1, idle);
});

function startTelnetd(changes: Readonly<Record<string, string>> = {}): Promise<Rig> {
  return startDaemon(() =>
    documented("telnet", { "127.0.0.1:23": "127.0.0.1:0", "/usr/sbin/telnetd": telnetd, ...changes }),
  );
}

/** A session that has got as far as the shell's prompt. */
async function telnet(rig: Rig): Promise<Terminal> {
  const terminal = await openTelnet(rig);
  await terminal.shows(/\$ $/);
  return terminal;
}

/** Without an escape character, and nothing sent of who we are. */
async function openTelnet(rig: Rig): Promise<Terminal> {
  const port = await rig.port("telnet");
  return openTerminal({ rows: 33, columns: 77 }, ["telnet", "-E", "-K", "127.0.0.1", `${port}`]);
}

async function shellOf(terminal: Terminal): Promise<number> {
  terminal.type("echo $$\n");
  const [, pid] = await terminal.shows(/\n(\d+)\r\n\$ /);
  return Number(pid);
}
