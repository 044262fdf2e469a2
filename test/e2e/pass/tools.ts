/** What the tests of `pass` share: workers that clients command, and what they say first. */
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ConnectionInfo } from "../../../src/worker/index.ts";
import { type Client, connect, type Target } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { repository } from "../rig/fixtures.ts";
import { eventually } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";

const sources = fileURLToPath(new URL("workers", import.meta.url));

/** The workers: two by Node's protocol, one by messages with a descriptor. */
export const kinds = {
  library: { file: "library.mjs", protocol: "node", program: process.execPath },
  plain: { file: "plain.mjs", protocol: "node", program: process.execPath },
  seqpacket: { file: "seqpacket.py", protocol: "seqpacket", program: "/usr/bin/python3" },
} as const;

export interface PassOptions {
  kind?: keyof typeof kinds;
  /** Arguments of the worker. */
  words?: readonly string[];
  /** Further keys of the service, and tables after it. */
  keys?: string;
  /** `unix`: by the path `pass.sock` in the rig's directory. */
  listen?: "tcp" | "unix";
}

/** A daemon whose service `pass` sends its connections to such workers. */
export function startPass(options: PassOptions = {}): Promise<Rig> {
  const { kind = "seqpacket", words = [], keys = "", listen = "tcp" } = options;
  const { file, protocol, program } = kinds[kind];
  return startDaemon(({ directory }) => {
    copyFileSync(join(sources, file), join(directory, file));
    copyFileSync(join(repository, "dist/worker/index.js"), join(directory, "tinetd-worker.js"));
    return `
[services.pass]
listen   = "${listen === "tcp" ? "127.0.0.1:0" : `unix:${directory}/pass.sock`}"
handoff  = "pass"
protocol = "${protocol}"
command  = ${JSON.stringify([program, join(directory, file), ...words])}
${keys}
`;
  });
}

export interface Served {
  client: Client;
  /** The worker that has the connection. */
  pid: number;
  /** What it was told. */
  info: ConnectionInfo;
}

/** Connects, and waits for the worker's first words. */
export async function connectServed(target: Target): Promise<Served> {
  return await served(await connect(target));
}

export async function served(client: Client): Promise<Served> {
  const { pid, info } = JSON.parse(await client.line()) as { pid: number; info: ConnectionInfo };
  return { client, pid, info };
}

/** Ends a connection as a polite client does, and waits until the worker has closed it too. */
export async function leave({ client }: Served): Promise<void> {
  client.end();
  await client.rest();
}

/** Stops a worker where it stands. A thread that waits in the kernel may still take one message on its way there. */
export async function halt(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  const stateOf = (thread: string) =>
    readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1").replace(/^.*\) /s, "")[0];
  await eventually(`${pid} has stopped`, () =>
    readdirSync(`/proc/${pid}/task`).every((thread) => stateOf(thread) === "T"),
  );
}
