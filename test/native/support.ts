/** What the tests of the addon share: a plan with plain values, programs that run to their end, readiness as a promise. */
import { openSync, readFileSync } from "node:fs";
import {
  type ChildExit,
  type Fd,
  isSystemError,
  loadSys,
  READABLE,
  type SocketAddress,
  type SpawnedChild,
  type SpawnPlan,
  type SystemError,
} from "../../src/native/sys.ts";

export const sys = loadSys();
export const isRoot = process.getuid?.() === 0;
export const nobody = 65534;

export const nullDevice = openSync("/dev/null", "r+");

/** A plan that changes nothing; `overrides` are what a test is about. */
export function plan(overrides: Partial<SpawnPlan> = {}): SpawnPlan {
  return {
    file: "/bin/sh",
    argv: ["sh", "-c", "exit 0"],
    environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
    workingDirectory: "/",
    umask: 0o022,
    credentials: null,
    rootDirectory: null,
    limits: [],
    nice: null,
    oomScoreAdjust: null,
    capabilities: null,
    noNewPrivileges: false,
    ...overrides,
  };
}

export function shell(script: string, overrides: Partial<SpawnPlan> = {}): SpawnPlan {
  return plan({ argv: ["sh", "-c", script], ...overrides });
}

/** Resolves with the events when any of them holds. */
export function ready(fd: Fd, events: number = READABLE): Promise<number> {
  return new Promise((resolve, reject) => {
    const watch = sys.watch(fd, (got, status) => {
      watch.close();
      if (status < 0) reject(new Error(`status ${status}`));
      else resolve(got);
    });
    watch.start(events);
  });
}

/** The end of a child, which is reaped, and its pidfd closed. */
export async function ended(child: SpawnedChild): Promise<ChildExit> {
  await ready(child.pidfd);
  const exit = sys.wait(child.pidfd);
  sys.close(child.pidfd);
  if (exit === null) throw new Error("a readable pidfd of a process that runs");
  return exit;
}

export async function readAll(fd: Fd): Promise<string> {
  const chunks: Buffer[] = [];
  for (;;) {
    await ready(fd);
    const buffer = Buffer.alloc(65536);
    const length = sys.read(fd, buffer);
    if (length === 0) return Buffer.concat(chunks).toString();
    if (length !== null) chunks.push(buffer.subarray(0, length));
  }
}

export interface Ran extends ChildExit {
  output: string;
}

/**
 * Runs a plan to its end with its standard output and error in `output`.
 * @param others descriptors from 3 on
 */
export async function run(
  what: SpawnPlan,
  variables: string[] = [],
  others: Fd[] = [],
  cgroup = -1,
): Promise<Ran> {
  const [output, input] = sys.pipe();
  try {
    const child = start(what, [nullDevice, input, input, ...others], variables, input, cgroup);
    const text = await readAll(output);
    return { ...(await ended(child)), output: text };
  } finally {
    sys.close(output);
  }
}

/** Closes our copy of the handler's output in any case: as long as it is open there is no end of file. */
function start(what: SpawnPlan, descriptors: Fd[], variables: string[], ours: Fd, cgroup: Fd): SpawnedChild {
  try {
    return sys.spawn(sys.prepare(what), descriptors, variables, cgroup);
  } finally {
    sys.close(ours);
  }
}

/** Output of a script that must succeed, without the last newline. */
export async function output(script: string, overrides: Partial<SpawnPlan> = {}): Promise<string> {
  const ran = await run(shell(script, overrides));
  if (ran.code !== 0) throw new Error(`exit ${ran.code} ${ran.signal}: ${ran.output}`);
  return ran.output.trimEnd();
}

/** A Node of its own that runs `script`, with the addon as `sys`. */
export function node(script: string, overrides: Partial<SpawnPlan> = {}): SpawnPlan {
  const source = `const sys = require(${JSON.stringify(addonPath)});\n${script}`;
  return plan({ file: process.execPath, argv: ["node", "--expose-gc", "-e", source], ...overrides });
}

export const addonPath = new URL("../../build/tinetd.node", import.meta.url).pathname;

/** The system error that `action` must throw. */
export function failure(action: () => unknown): SystemError {
  try {
    action();
  } catch (error) {
    if (isSystemError(error)) return error;
    throw error;
  }
  throw new Error("it should have failed");
}

export const loopback: SocketAddress = { family: "inet", address: "127.0.0.1", port: 0 };

/** FD_CLOEXEC, as the kernel shows it among the flags. */
export function closesOnExec(fd: Fd): boolean {
  const flags = /^flags:\t(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "";
  return (Number.parseInt(flags, 8) & 0o2000000) !== 0;
}

/** A listening stream socket, on a free port by default, and its address. */
export function listenStream(
  address: SocketAddress = loopback,
  backlog = 16,
): { fd: Fd; address: SocketAddress } {
  const fd = sys.socket(address.family, "stream");
  sys.bind(fd, address);
  sys.listen(fd, backlog);
  return { fd, address: sys.getsockname(fd) };
}

/** Both ends of one TCP connection over loopback: both blocking as they come, the client non-blocking. */
export async function connectedPair(): Promise<{ client: Fd; server: Fd }> {
  const listener = listenStream();
  const client = sys.socket("inet", "stream");
  sys.connect(client, listener.address);
  await ready(listener.fd);
  const accepted = sys.accept(listener.fd);
  sys.close(listener.fd);
  if (accepted === null) throw new Error("a readable listener without a connection");
  return { client, server: accepted.fd };
}

export function closeAll(...fds: Fd[]): void {
  for (const fd of fds) sys.close(fd);
}
