/** What the tests of freezing share: a daemon whose worker serves many clients, and what stands still. */
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cgroupMount, cgroupOf } from "../process/mechanisms.ts";
import { type Client, connect, type Target } from "../rig/client.ts";
import { type RigOptions, startDaemon } from "../rig/daemon.ts";
import type { Rig } from "../rig/rig.ts";

const program = fileURLToPath(new URL("worker.py", import.meta.url));

export interface WorkerOptions extends RigOptions {
  /** Default: `listen`. */
  handoff?: "wait" | "listen";
  /** What stands in `listen`. Default: a port of loopback. */
  listen?: string | ((directory: string) => string);
  /** Arguments of the worker. */
  words?: readonly string[];
  /** Further keys of the service. */
  keys?: string;
}

/** A daemon whose service `it` freezes its worker after 200 ms, unless `keys` says something else. */
export function startFreezing({ handoff = "listen", ...options }: WorkerOptions = {}): Promise<Rig> {
  const { listen = "127.0.0.1:0", words = [], keys = "" } = options;
  return startDaemon(({ directory }) => {
    const copy = join(directory, "worker.py");
    copyFileSync(program, copy);
    return `
[services.it]
listen       = "${typeof listen === "string" ? listen : listen(directory)}"
handoff      = "${handoff}"
command      = ${JSON.stringify(["/usr/bin/python3", "-S", "-E", copy, ...words])}
${keys.includes("on_idle") ? "" : 'on_idle = "freeze"'}
${keys.includes("idle_timeout") ? "" : 'idle_timeout = "200ms"'}
${keys}
`;
  }, options);
}

/** Connects, and reads the pid of the worker that serves. */
export async function visit(target: Target): Promise<{ client: Client; pid: number }> {
  const client = await connect(target);
  return { client, pid: Number(await client.line()) };
}

/** The pid of the worker that serves, for a client that leaves at once. */
export async function call(target: Target): Promise<number> {
  const { client, pid } = await visit(target);
  await client[Symbol.asyncDispose]();
  return pid;
}

/** Whether a process is held, by its cgroup or by a signal to each of its threads. */
export function isFrozen(pid: number): boolean {
  return isFrozenByCgroup(pid) || isStopped(pid);
}

function isFrozenByCgroup(pid: number): boolean {
  const [mount, name] = [cgroupMount(), cgroupOf(pid)];
  if (mount === null || name === undefined) return false;
  try {
    return readFileSync(join(mount, name, "cgroup.events"), "utf8").includes("frozen 1");
  } catch {
    return false; // The root has none.
  }
}

export function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  });
}
