/**
 * in.tftpd of tftpd-hpa, with `wait`.
 *
 * It takes the first datagram of each transfer from the socket that it was given, and a process of its own answers it
 * from a socket of its own. When nobody has asked for a while it ends, or is ended, and the next request starts
 * another.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type DatagramClient, datagramClient } from "../e2e/rig/client.ts";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { asRoot, needs, program } from "../e2e/rig/needs.ts";
import type { Rig } from "../e2e/rig/rig.ts";
import { documented } from "./documented.ts";
import { giveToHandlers, makeFiles, nobody } from "./files.ts";
import { run } from "./run.ts";
import { expectGone, expectIdle } from "./served.ts";

const possible = needs(asRoot, program("/usr/sbin/in.tftpd"), program("tftp"));

possible("sends and takes files, one client after the other and several at once", async () => {
  await using rig = await startTftpd({ '"--secure"': '"--secure", "--create", "--permissive"' });
  const root = join(rig.directory, "root");
  const incoming = join(root, "incoming");
  mkdirSync(incoming);
  giveToHandlers(incoming, nobody);
  const binary = readFileSync(join(root, "deeper", "binary"));
  const get = async (name: string) => {
    const path = join(rig.directory, name);
    await tftp(rig, "get", "deeper/binary", path);
    return readFileSync(path).equals(binary);
  };
  const put = async (name: string) => {
    await tftp(rig, "put", join(root, "deeper", "binary"), `incoming/${name}`);
    return readFileSync(join(incoming, name)).equals(binary);
  };

  expect([await get("first"), await put("first"), await get("second")]).toEqual([true, true, true]);
  expect(await Promise.all([get("a"), put("b"), get("c"), put("d")])).toEqual([true, true, true, true]);
  expect(await tftp(rig, "get", "nothing", join(rig.directory, "nothing"))).toContain("File not found");

  // All that by one process and its children.
  expect((await rig.status()).services).toMatchObject([{ spawned: 1, start_failures: 0 }]);
});

possible("the next client wakes it again after it was idle", async () => {
  await using rig = await startTftpd({ '"1m"': '"2s"' });
  expectIdle(rig);
  await getText(rig);
  const first = await expectGone(rig, "tftp");
  const { pid } = first.exited;
  expect(await rig.event("handler.stopping", { pid })).toMatchObject({ reason: "idle_timeout" });
  await getText(rig);
  expect((await expectGone(rig, "tftp", first)).exited.pid).not.toBe(pid);
});

possible("transfers outlive the process that took their requests", async () => {
  // It waits for a second for requests. The client of this transfer answers only when the one after it has ended, too.
  await using rig = await startTftpd({ '"--secure"': '"--secure", "--timeout", "1"' });
  const binary = readFileSync(join(rig.directory, "root", "deeper", "binary"));
  await using client = await datagramClient();
  await client.send(await rig.port("tftp"), "\0\x01deeper/binary\0octet\0");
  const { port } = await client.receive();
  const exited = await rig.event("handler.exited");
  expect(exited).toMatchObject({ code: 0, signal: null });
  await getText(rig);
  const next = await rig.event("handler.exited", {}, { after: exited });

  for (let block = 1; block < 5; block++) {
    await client.send(port, Buffer.from([0, 4, 0, block]));
    const data = await dataOf(client, block + 1);
    expect(data.equals(binary.subarray(block * 512, (block + 1) * 512))).toBe(true);
  }
  await client.send(port, "\0\x05\0\0enough\0");

  const gone = await expectGone(rig, "tftp");
  expect(gone.exited).toBe(exited);
  expect((await expectGone(rig, "tftp", gone)).exited).toBe(next);
});

function startTftpd(changes: Readonly<Record<string, string>>): Promise<Rig> {
  return startDaemon(({ directory }) => {
    const root = join(directory, "root");
    makeFiles(root);
    return documented("tftp", { "*:69": "127.0.0.1:0", "/srv/tftp": root, ...changes });
  });
}

/** @returns what the client said: its exit status is 0 whatever the server says */
async function tftp(rig: Rig, ...command: ["get" | "put", from: string, to: string]): Promise<string> {
  const port = await rig.port("tftp");
  const { code, stdout } = await run("tftp", ["-m", "binary", "127.0.0.1", `${port}`, "-c", ...command]);
  expect(code).toBe(0);
  return stdout.toString();
}

async function getText(rig: Rig): Promise<void> {
  const copy = join(rig.directory, "copy");
  writeFileSync(copy, "");
  await tftp(rig, "get", "text", copy);
  expect(readFileSync(copy, "utf8")).toBe(readFileSync(join(rig.directory, "root", "text"), "utf8"));
}

/** What the DATA packet of that block has in it (RFC 1350), after any repetition of the one before. */
async function dataOf(client: DatagramClient, block: number): Promise<Buffer> {
  for (;;) {
    const { data } = await client.receive();
    expect(data.readUInt16BE(0)).toBe(3);
    if (data.readUInt16BE(2) === block) return data.subarray(4);
  }
}
