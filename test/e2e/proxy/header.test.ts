/** `upstream_proxy_protocol`: the daemon reads who its client is before the client's first byte. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { ipv6 } from "../core/tools.ts";
import { type Client, connect } from "../rig/client.ts";
import { needs } from "../rig/needs.ts";
import { startProxy } from "./tools.ts";

const withHeader = (version: "v1" | "v2") => ({
  words: () => ["header"],
  keys: `upstream_proxy_protocol = "${version}"`,
});

test("v1 over TCP", async () => {
  await using rig = await startProxy(withHeader("v1"));
  const port = await rig.port("it");
  const client = await connect(port);
  expect((await headerOf(client)).toString()).toBe(
    `PROXY TCP4 127.0.0.1 127.0.0.1 ${portOf(client)} ${port}\r\n`,
  );
  expect(await client.command("and what follows")).toBe("and what follows");
  client.end();
  await client.rest();
  // The header is not the client's.
  const bytes = "header\nand what follows\n".length;
  expect(await rig.event("connection.closed")).toMatchObject({ bytes_in: bytes });
});

test("v2 over TCP, of a client that comes to a dual-stack socket by IPv4", async () => {
  await using rig = await startProxy({ ...withHeader("v2"), listen: () => "*:0" });
  const port = await rig.port("it");
  const client = await connect(port);
  const header = await headerOf(client);
  expect(header.subarray(12).toString("hex")).toBe(
    `2111000c7f0000017f000001${hex(portOf(client))}${hex(port)}`,
  );
});

needs(ipv6)("v1 and v2 over IPv6", async () => {
  const own = `${"0".repeat(31)}1`;
  for (const version of ["v1", "v2"] as const) {
    await using rig = await startProxy({ ...withHeader(version), listen: () => "[::1]:0" });
    const port = await rig.port("it");
    const client = await connect({ host: "::1", port });
    const header = await headerOf(client);
    if (version === "v1") expect(header.toString()).toBe(`PROXY TCP6 ::1 ::1 ${portOf(client)} ${port}\r\n`);
    else {
      const ports = `${hex(portOf(client))}${hex(port)}`;
      expect(header.subarray(12).toString("hex")).toBe(`21210024${own}${own}${ports}`);
    }
  }
});

test("v1 and v2 over a Unix socket", async () => {
  const listen = (directory: string) => `unix:${directory}/it.sock`;
  {
    await using rig = await startProxy({ ...withHeader("v1"), listen });
    const client = await connect(join(rig.directory, "it.sock"));
    expect((await headerOf(client)).toString()).toBe("PROXY UNKNOWN\r\n");
  }
  await using rig = await startProxy({ ...withHeader("v2"), listen });
  const client = await connect(join(rig.directory, "it.sock"));
  const header = await headerOf(client);
  expect(header.subarray(12, 16).toString("hex")).toBe("213100d8");
  expect(header.subarray(16, 124).equals(Buffer.alloc(108))).toBe(true);
  const path = header.subarray(124).toString();
  expect(path.slice(0, path.indexOf("\0"))).toBe(join(rig.directory, "it.sock"));
});

async function headerOf(client: Client): Promise<Buffer> {
  return Buffer.from(await client.command("header"), "hex");
}

function portOf({ socket }: Client): number {
  if (socket.localPort === undefined) throw new Error("not connected");
  return socket.localPort;
}

/** Two bytes in network order. */
function hex(port: number): string {
  return port.toString(16).padStart(4, "0");
}
