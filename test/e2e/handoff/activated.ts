/** A daemon that is itself started on demand, by the test tool of systemd, with sockets in LISTEN_FDS. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFailed } from "vitest";
import { followEvents } from "../rig/event-log.ts";
import { installFixture, repository } from "../rig/fixtures.ts";
import { pathOf } from "../rig/needs.ts";
import { eventually } from "../rig/proc.ts";
import { createRig, type Exit, type Rig } from "../rig/rig.ts";

export interface Activation {
  /** Arguments of systemd-socket-activate: its sockets and their names. */
  sockets(directory: string): string[];
  configuration(directory: string, acceptor: string): string;
}

/**
 * Returns when systemd-socket-activate listens: the daemon, which has its pid, is started by the first client. The
 * rig's descriptor of readiness is not there, since the sockets begin with its number.
 */
export async function activated({ sockets, configuration }: Activation): Promise<Rig> {
  const directory = mkdtempSync(join(tmpdir(), "tinetd-test-"));
  chmodSync(directory, 0o755);
  const configPath = join(directory, "inetd.toml");
  writeFileSync(configPath, configuration(directory, installFixture("acceptor", directory)), { mode: 0o600 });
  const command = [join(repository, "dist", "main.js"), "run", "-c", configPath, "--log-format", "json"];
  const wanted = sockets(directory);
  const child = spawn(
    pathOf("systemd-socket-activate"),
    ["-E", `RUNTIME_DIRECTORY=${directory}`, ...wanted, process.execPath, ...command],
    { stdio: ["ignore", "inherit", "pipe"] },
  );
  const log = followEvents(child.stderr);
  const exited = once(child, "exit").then(([code, signal]): Exit => ({ code, signal }));
  onTestFailed(() => void process.stderr.write(`\nthe daemon's log:\n${log.transcript()}\n\n`));
  const count = wanted.filter((word) => word === "-l").length;
  const listening = () => log.otherLines.filter((line) => line.startsWith("Listening on")).length;
  await eventually("systemd-socket-activate listens", () => listening() === count);
  expect(child.exitCode).toBeNull();
  return createRig(child, directory, configPath, log, exited);
}
