/** One client for each kind of socket, so that a test can ask the same of all of them (fixtures/acceptor.c answers). */
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ready, sys } from "../../native/support.ts";
import { connect, datagramClient } from "../rig/client.ts";
import { eventually } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";

export interface Kind {
  name: string;
  /** What stands in `listen`. */
  listen(directory: string): string;
  /** Comes as a client, says one command, waits for the answer, and goes. */
  ask(rig: Rig, command: string): Promise<string>;
  /** Comes as a client that says something and goes without waiting for an answer. */
  leave(rig: Rig, text: string): Promise<void>;
}

/** All kinds of socket that a handler can accept from. */
export const kinds: readonly Kind[] = [
  {
    name: "TCP",
    listen: () => "127.0.0.1:0",
    ask: async (rig, command) => askStream(await rig.port("it"), command),
    leave: async (rig, text) => leaveStream(await rig.port("it"), text),
  },
  {
    name: "Unix stream",
    listen: (directory) => `unix:${directory}/it.sock`,
    ask: (rig, command) => askStream(join(rig.directory, "it.sock"), command),
    leave: (rig, text) => leaveStream(join(rig.directory, "it.sock"), text),
  },
  {
    name: "Unix seqpacket",
    listen: (directory) => `unix-seqpacket:${directory}/it.sock`,
    ask: (rig, command) => local(rig, "seqpacket", `${command}\n`, true),
    leave: async (rig, text) => void (await local(rig, "seqpacket", `${text}\n`, false)),
  },
  {
    name: "UDP",
    listen: () => "udp://127.0.0.1:0",
    async ask(rig, command) {
      await using client = await datagramClient();
      await client.send(await rig.port("it"), command);
      return (await client.receive()).data.toString().trimEnd();
    },
    async leave(rig, text) {
      await using client = await datagramClient();
      await client.send(await rig.port("it"), text);
    },
  },
  {
    name: "Unix datagrams",
    listen: (directory) => `unix-dgram:${directory}/it.sock`,
    ask: (rig, command) => local(rig, "dgram", command, true),
    leave: async (rig, text) => void (await local(rig, "dgram", text, false)),
  },
  {
    name: "FIFO",
    listen: (directory) => `fifo:${directory}/it.fifo`,
    async ask(rig, command) {
      const before = rig.otherLines.length;
      write(rig, command);
      await eventually(`an answer to ${command}`, () => rig.otherLines.length > before);
      return rig.otherLines[before] ?? "";
    },
    leave: async (rig, text) => write(rig, text),
  },
];

/** The kind of that name. */
export function kind(name: string): Kind {
  const found = kinds.find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no kind ${name}`);
  return found;
}

async function askStream(target: number | string, command: string): Promise<string> {
  await using client = await connect(target);
  return await client.command(command);
}

async function leaveStream(target: number | string, text: string): Promise<void> {
  await using client = await connect(target);
  client.write(`${text}\n`);
  client.end();
  await client.rest();
}

let clients = 0;

/** Node has no such sockets: over the addon. A client of datagrams has an address of its own to be answered at. */
async function local(
  rig: Rig,
  type: "dgram" | "seqpacket",
  text: string,
  answered: boolean,
): Promise<string> {
  const fd = sys.socket("unix", type);
  try {
    if (type === "dgram") sys.bind(fd, { family: "unix", path: `@tinetd-${process.pid}-${++clients}` });
    sys.connect(fd, { family: "unix", path: join(rig.directory, "it.sock") });
    sys.sendMessage(fd, Buffer.from(text));
    if (!answered) return "";
    const buffer = Buffer.alloc(65_536);
    await ready(fd);
    const length = sys.receiveMessage(fd, buffer)?.length ?? 0;
    return buffer.toString("utf8", 0, length).trimEnd();
  } finally {
    sys.close(fd);
  }
}

/** tinetd holds the FIFO open, so that this never waits for a reader. */
function write(rig: Rig, text: string): void {
  const fd = openSync(join(rig.directory, "it.fifo"), "w");
  writeSync(fd, `${text}\n`);
  closeSync(fd);
}
