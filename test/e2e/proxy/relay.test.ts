/** What goes through `proxy`: every byte in both directions, ends and resets, over each kind of socket. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { statusOf } from "../core/tools.ts";
import { type Client, connect, type Target } from "../rig/client.ts";
import type { Rig } from "../rig/rig.ts";
import { ownAddress, startProxy } from "./tools.ts";

const path = (directory: string) => `${directory}/run/daemon.sock`;
const abstract = (directory: string) => `@${directory}/daemon`;

const pairs = [
  { client: "TCP", daemon: "TCP", listen: () => "127.0.0.1:0", upstream: ownAddress },
  { client: "TCP", daemon: "a Unix socket", listen: () => "127.0.0.1:0", upstream: path },
  { client: "TCP", daemon: "an abstract socket", listen: () => "*:0", upstream: abstract },
  {
    client: "a Unix socket",
    daemon: "TCP",
    listen: (directory: string) => `unix:${directory}/it.sock`,
    upstream: ownAddress,
  },
  {
    client: "an abstract socket",
    daemon: "a Unix socket",
    listen: (directory: string) => `unix:@${directory}/it`,
    upstream: path,
  },
];

describe.each(pairs)("from $client to $daemon", ({ listen, upstream }) => {
  test("all comes back, in order and behind a half-close, and is counted", async () => {
    await using rig = await startProxy({ listen, upstream });
    const target = await targetOf(rig);
    const one = await connect(target);
    expect(await one.command("hello")).toBe("hello");
    const [small, large] = await Promise.all([bounce(target, 10), bounce(target, 5_000_000)]);
    expect(small.back).toBe(small.sent);
    expect(large.back).toBe(large.sent);
    const closed = await rig.event("connection.closed", ({ bytes_in = 0 }) => bytes_in > 1_000);
    expect(closed).toMatchObject({ bytes_in: 5_000_005, bytes_out: 5_000_000 });
    expect(closed.error).toBeUndefined();
    expect(await statusOf(rig)).toMatchObject({ connections: 1, handlers: [{ connections: 1 }] });
  });

  test("a daemon that closes: the client reads to the end", async () => {
    await using rig = await startProxy({ listen, upstream });
    const client = await connect(await targetOf(rig));
    client.write("last words\nclose\n");
    expect((await client.rest()).toString()).toBe("last words\n");
    client.end();
    await rig.event("connection.closed");
  });
});

test("a reset of the daemon's is one for the client, behind what was said before", async () => {
  await using rig = await startProxy({ upstream: ownAddress });
  const client = await connect(await rig.port("it"));
  expect(await client.command("before")).toBe("before");
  client.write("reset\n");
  await expect(client.rest()).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(await rig.event("connection.closed")).toMatchObject({
    bytes_in: 13,
    bytes_out: 7,
    error: "the daemon has reset it",
  });
});

test("a reset of the client's reaches the daemon, and ends the connection", async () => {
  await using rig = await startProxy({ upstream: ownAddress });
  const client = await connect(await rig.port("it"));
  expect(await client.command("hello")).toBe("hello");
  client.reset();
  expect(await rig.event("connection.closed")).toMatchObject({ error: "the client has reset it" });
  expect(await statusOf(rig)).toMatchObject({ connections: 0, handlers: [{ state: "idle" }] });
});

test("a client that takes nothing does not make tinetd swell, nor keeps others waiting", async () => {
  await using rig = await startProxy({});
  const target = await targetOf(rig);
  const stalled = await connect(target);
  stalled.write("copy\n");
  stalled.socket.pause();
  // As much as the kernel and the relay take: then the client's own socket has no room any more.
  const block = randomBytes(1 << 20);
  let written = 0;
  while (stalled.socket.write(block) || stalled.socket.writableLength < 16 << 20) written += block.length;
  expect(written).toBeGreaterThan(0);
  const { back, sent } = await bounce(target, 1_000_000);
  expect(back).toBe(sent);
  expect(rig.memory().privateDirtyKb).toBeLessThan(60_000);
  stalled.reset();
  await rig.event("connection.closed", { error: "the client has reset it" });
});

test("the daemon's place may be given by names", async () => {
  const address = ownAddress();
  const port = address.split(":")[1];
  await using rig = await startProxy({
    upstream: () => `127.0.0.1:${port}`,
    keys: "",
  });
  expect(await (await connect(await rig.port("it"))).command("hello")).toBe("hello");
  await using named = await startProxy({ upstream: () => `localhost:${Number(port) + 500}` });
  expect(await (await connect(await named.port("it"))).command("hello")).toBe("hello");
});

async function targetOf(rig: Rig): Promise<Target> {
  const address = await rig.address("it");
  if (address.startsWith("unix:@")) return address.slice("unix:".length);
  return address.startsWith("unix:") ? join(rig.directory, "it.sock") : await rig.port("it");
}

/** Sends random bytes to be copied, half-closes, and reads to the end: digests of both. */
async function bounce(target: Target, length: number): Promise<{ sent: string; back: string }> {
  await using client = await connect(target);
  const bytes = randomBytes(length);
  client.write("copy\n");
  await write(client, bytes);
  client.end();
  return { sent: digest(bytes), back: digest(await client.rest()) };
}

async function write({ socket }: Client, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0; rest = rest.subarray(100_000)) {
    if (!socket.write(rest.subarray(0, 100_000))) await once(socket, "drain");
  }
}

function digest(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash("sha1").update(bytes).digest("hex")}`;
}
