/** What `connection.closed` says a TCP connection of `stdio` has carried, in whatever order its ends come. */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Client, connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { needs } from "../rig/needs.ts";
import { eventually } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";
import { descriptorsAreBack, ipv6, startFixture } from "./tools.ts";

/** What the client has seen of it, as the event names it. */
const carried = ({ socket }: Client) => ({ bytes_in: socket.bytesWritten, bytes_out: socket.bytesRead });

/** In which state the kernel has the other end of it; its own process does not have that any more (proc(5)). */
function stateOf({ socket: { localPort = 0, remotePort = 0 } }: Client): string | undefined {
  const [there, here] = [remotePort, localPort].map(
    (port) => `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`,
  );
  const rows = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((row) => row.trim().split(/\s+/));
  return rows.find(([, local, remote]) => local === there && remote === here)?.[3];
}
const finWait2 = "05";

const closed = (rig: Rig) => rig.event("connection.closed");

test("the client ends first, and the handler reads that", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("write 300000");
  client.end();
  await client.rest();
  expect(await closed(rig)).toMatchObject({ code: 0, ...carried(client) });
});

test("the client ends first, and the handler never learns it", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("hang");
  client.end();
  const { pid } = await rig.event("handler.started");
  process.kill(pid, "SIGKILL");
  await client.rest();
  expect(await closed(rig)).toMatchObject({ signal: "SIGKILL", ...carried(client) });
});

test("the handler ends first, and the client at once", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("write 1000");
  client.write("exit 3\n");
  await client.rest();
  client.end();
  expect(await closed(rig)).toMatchObject({ code: 3, ...carried(client) });
});

test("the handler ends first, and the client when it has long been acknowledged", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  client.write("exit 0\n");
  await client.rest();
  await eventually("the end is acknowledged", () => stateOf(client) === finWait2);
  client.end();
  expect(await closed(rig)).toMatchObject(carried(client));
});

test("a client that stays does not keep it from being told", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("write 5000");
  client.write("exit 0\n");
  await client.rest();
  expect(await closed(rig)).toMatchObject(carried(client));
});

test("what the kernel still sends when the handler has gone is counted", async () => {
  await using rig = await startDaemon(`
[services.fixture]
listen  = "127.0.0.1:0"
command = "/usr/bin/head -c 3000000 /dev/zero"
socket  = { send_buffer = 4000000 }
`);
  await using client = await connect(await rig.port("fixture"));
  client.socket.pause();
  await rig.event("handler.exited");
  // A client that takes its time: longer than a connection is waited for on which nothing is under way.
  await delay(1_500);
  client.socket.resume();
  expect((await client.rest()).length).toBe(3_000_000);
  expect(await closed(rig)).toMatchObject({ bytes_in: 0, bytes_out: 3_000_000 });
});

test("the client has gone before its handler ends", async () => {
  await using rig = await startFixture();
  const port = await rig.port("fixture");
  await using client = await connect(port);
  await client.command("echo some words");
  client.write("leave\n");
  await client.rest();
  client.end();
  const { pid } = await rig.event("handler.started");
  // Its end is known when another, which came later, has ended too.
  await using other = await connect(port);
  other.end();
  await other.rest();
  await rig.event("connection.closed", { connection: 2 });
  process.kill(pid, "SIGTERM");
  expect(await rig.event("connection.closed", { connection: 1 })).toMatchObject({
    signal: "SIGTERM",
    ...carried(client),
  });
});

test("a client that resets", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("write 1000");
  client.reset();
  expect(await closed(rig)).toMatchObject(carried(client));
});

needs(ipv6)("over IPv6, and over IPv4 at the same listener", async () => {
  await using rig = await startDaemon(
    ({ fixture }) => `[services.fixture]\nlisten = "*:0"\ncommand = "${fixture("handler")}"\n`,
  );
  const port = await rig.port("fixture");
  for (const [index, host] of ["127.0.0.1", "::1"].entries()) {
    await using client = await connect({ host, port });
    client.write("echo something\nexit 0\n");
    await client.rest();
    // One ends in the kernel's word, one in ours that asks.
    if (index === 0) client.end();
    expect(await rig.event("connection.closed", { connection: index + 1 })).toMatchObject(carried(client));
  }
});

test("a daemon that stops says what it knows, and waits for nobody", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("write 5000");
  await rig.stop();
  expect(await closed(rig)).toMatchObject({ signal: "SIGTERM", ...carried(client) });
});

test("hundreds at once, of which each is told its own, and nothing is left of them", async () => {
  await using rig = await startFixture("max_instances = 40");
  const port = await rig.port("fixture");
  await using first = await connect(port);
  first.end();
  await first.rest();
  await closed(rig);
  const before = rig.descriptors();
  const sizes = Array.from({ length: 300 }, (_, n) => n * 10);
  await Promise.all(
    sizes.map(async (size) => {
      await using client = await connect(port);
      await client.command(`write ${size}`);
      client.end();
      await client.rest();
    }),
  );
  const told = new Set<number | undefined>();
  for (let id = 2; id < sizes.length + 2; id++) {
    told.add((await rig.event("connection.closed", { connection: id })).bytes_out);
  }
  expect([...told].sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(sizes.map((size) => size + 1));
  await descriptorsAreBack(rig, before);
});
