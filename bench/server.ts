/** Starting and stopping the servers that are measured: any program that listens on a port it is told. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const startTimeoutMs = 10_000;
const stopTimeoutMs = 5_000;
const pollMs = 5;

export interface Launch {
  file: string;
  args: readonly string[];
  /** A file for what it writes to stderr; a terminal or a pipe would make it wait for whoever reads. */
  errorFile: string;
  /** For a server that detaches itself: where it writes its pid. */
  pidFile?: string;
}

export interface Server {
  pid: number;
  port: number;
  /** Nothing happens if it has ended by itself. */
  stop(): Promise<void>;
}

/** A free port of 127.0.0.1. Not every server can be told "any", so one is looked up beforehand. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error("no port");
  return port;
}

/** As many, no two the same. */
export async function freePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(probes.map((probe) => once(probe, "listening")));
  const ports = probes.map((probe) => {
    const address = probe.address();
    if (address === null || typeof address === "string") throw new Error("a TCP server without a port");
    return address.port;
  });
  await Promise.all(probes.map((probe) => once(probe.close(), "close")));
  return ports;
}

/**
 * Starts a server and waits until it listens on `port`.
 * @throws if it ends before, or does not listen within 10 seconds; it is stopped then
 */
export async function startServer(launch: Launch, port: number): Promise<Server> {
  const errors = openSync(launch.errorFile, "a");
  const child = spawn(launch.file, launch.args, { stdio: ["ignore", "ignore", errors] });
  closeSync(errors);
  try {
    await once(child, "spawn");
    await until(() => {
      if (launch.pidFile === undefined && hasEnded(child)) {
        throw new Error(`${launch.file} ended: ${readFileSync(launch.errorFile, "utf8").slice(-500)}`);
      }
      return isListening(port);
    }, startTimeoutMs);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  const pid = launch.pidFile === undefined ? child.pid : Number(readFileSync(launch.pidFile, "utf8"));
  if (pid === undefined || !Number.isInteger(pid) || pid <= 1) throw new Error(`${launch.file}: no pid`);
  // Its pid may be another's by now if it was our child and has ended.
  const stopIt = async () => (launch.pidFile === undefined && hasEnded(child) ? undefined : stop(pid));
  return { pid, port, stop: stopIt };
}

async function stop(pid: number): Promise<void> {
  if (!isRunning(pid)) return;
  process.kill(pid, "SIGTERM");
  await until(() => !isRunning(pid), stopTimeoutMs).catch(() => process.kill(pid, "SIGKILL"));
}

/** Also of a process that is not our child; one that has ended and was not reaped does not run. */
function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The state is the field after the name, which stands in parentheses and may hold any of them itself.
    return stat.slice(stat.lastIndexOf(")")).split(" ")[1] !== "Z";
  } catch {
    return false;
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** From the kernel's table, and not by a connect: that would start a handler. */
function isListening(port: number): boolean {
  const listen = "0A";
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .some((line) => {
      const [, local, , state] = line.trim().split(/\s+/);
      return state === listen && Number.parseInt(local?.split(":")[1] ?? "", 16) === port;
    });
}

async function until(condition: () => boolean, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms`);
    await delay(pollMs);
  }
}
