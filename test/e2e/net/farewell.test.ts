/** The last words reach the client whole, whatever it has sent, and no farewell lasts or leaks. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { type Fd, type SocketAddress, WRITABLE } from "../../../src/native/sys.ts";
import { createFarewells, type FarewellLimits, type Farewells } from "../../../src/net/farewell.ts";
import { accept, isClosed, open, port, ready, sys, tcp, workplace } from "./support.ts";

const { path } = workplace();

const text = Buffer.from("too many connections, try again later\r\n");
const flood = Buffer.alloc(65_536, "x");

/** Limits that are never reached. */
const patient = { count: 1000, timeMs: 60_000, bytes: 1 << 30 };

/** All that a client reads until the end; rejects if the connection is reset. */
async function readAll(client: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  client.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(client, "end");
  return Buffer.concat(chunks).toString();
}

/** A client whose every error is seen: Node's own takes a reset for a plain end. */
async function rawClient(address: SocketAddress): Promise<Fd> {
  const fd = sys.socket(address.family, "stream");
  if (!sys.connect(fd, address)) await ready(fd, WRITABLE);
  return fd;
}

/** All that a client reads until the end; throws if the connection is reset. */
async function readToEnd(fd: Fd): Promise<string> {
  const buffer = Buffer.alloc(65_536);
  for (let text = ""; ; ) {
    const length = sys.read(fd, buffer);
    if (length === 0) return text;
    if (length === null) await ready(fd);
    else text += buffer.toString("utf8", 0, length);
  }
}

/** Resolves when no farewell is left: each closes within its limits, so this waits for the kernel's events alone. */
async function over(farewells: Farewells): Promise<void> {
  while (farewells.open > 0) await new Promise((resolve) => setImmediate(resolve));
}

/** A client that never closes and its connection. */
async function stubborn(): Promise<{ client: Socket; fd: Fd }> {
  const [listener] = await open(tcp());
  const client = connect({ port: port(listener), host: "127.0.0.1", allowHalfOpen: true });
  client.on("error", () => undefined);
  return { client, fd: (await accept(listener.fd)).fd };
}

describe("a refused client", () => {
  test.each(["tcp", "unix"] as const)(
    "that has sent 64 KiB reads the whole text and no reset: %s",
    async (kind) => {
      const [listener] = await open(kind === "tcp" ? tcp() : { kind, path: path("farewell.sock") });
      const client = await rawClient(listener.address);
      expect(sys.sendMessage(client, flood)).toBe(flood.length);
      const { fd } = await accept(listener.fd);
      await ready(fd);

      const farewells = createFarewells(sys, patient);
      farewells.say(fd, text);
      expect(await readToEnd(client)).toBe(text.toString());
      // It was told that this is the end, although we still listen to it.
      expect(farewells.open).toBe(1);
      sys.close(client);
      await over(farewells);
      expect(isClosed(fd)).toBe(true);
    },
  );

  test("that goes on sending while it is refused reads the whole text", async () => {
    const [listener] = await open(tcp());
    const client = connect({ port: port(listener), host: "127.0.0.1", allowHalfOpen: true });
    const { fd } = await accept(listener.fd);
    const farewells = createFarewells(sys, patient);
    farewells.say(fd, text);
    client.write(flood);
    client.write(flood);
    expect(await readAll(client)).toBe(text.toString());
    client.end(flood);
    await once(client, "close");
    await over(farewells);
  });

  test("200 at once, each with data under way", async () => {
    const [listener] = await open(tcp());
    const farewells = createFarewells(sys);
    const readings = Array.from({ length: 200 }, async () => {
      const client = await rawClient(listener.address);
      sys.sendMessage(client, flood);
      const read = await readToEnd(client);
      sys.close(client);
      return read;
    });
    for (let n = 0; n < readings.length; n++) farewells.say((await accept(listener.fd)).fd, text);
    expect(new Set(await Promise.all(readings))).toEqual(new Set([text.toString()]));
    await over(farewells);
  });

  test("a text larger than the socket's buffer is sent whole", async () => {
    const [listener] = await open(tcp());
    const client = connect(port(listener), "127.0.0.1");
    const { fd } = await accept(listener.fd);
    const long = Buffer.alloc(4 << 20, "long ");
    const farewells = createFarewells(sys);
    farewells.say(fd, long);
    expect(farewells.open).toBe(1);
    expect((await readAll(client)).length).toBe(long.length);
    await over(farewells);
  });
});

describe("limits", () => {
  test("of time: a client that does not close is closed", async () => {
    const { client, fd } = await stubborn();
    const farewells = createFarewells(sys, { count: 1, timeMs: 20, bytes: 1 << 20 });
    farewells.say(fd, text);
    expect(farewells.open).toBe(1);
    await over(farewells);
    expect(isClosed(fd)).toBe(true);
    client.destroy();
  });

  test("of bytes: a client that sends without end is closed", async () => {
    const { client, fd } = await stubborn();
    const farewells = createFarewells(sys, { count: 1, timeMs: 60_000, bytes: 100_000 });
    farewells.say(fd, text);
    for (let n = 0; n < 4; n++) client.write(flood);
    await over(farewells);
    expect(isClosed(fd)).toBe(true);
    client.destroy();
  });

  test("of number: beyond it the text is sent and the connection closed at once", async () => {
    const first = await stubborn();
    const second = await stubborn();
    const farewells = createFarewells(sys, { count: 1, timeMs: 60_000, bytes: 1 << 20 });
    farewells.say(first.fd, text);
    farewells.say(second.fd, text);
    expect(farewells.open).toBe(1);
    expect(isClosed(second.fd)).toBe(true);
    expect(await readAll(second.client)).toBe(text.toString());
    farewells.close();
    expect(farewells.open).toBe(0);
    expect(isClosed(first.fd)).toBe(true);
    first.client.destroy();
    second.client.destroy();
  });

  test("a client that is gone already costs nothing", async () => {
    const { client, fd } = await stubborn();
    client.resetAndDestroy();
    // libuv reports the reset as the failure of the watch.
    await ready(fd).catch(() => undefined);
    const farewells = createFarewells(sys);
    farewells.say(fd, text);
    expect(farewells.open).toBe(0);
    expect(isClosed(fd)).toBe(true);
  });

  test("without a text there is nothing to wait for", async () => {
    const { client, fd } = await stubborn();
    const farewells = createFarewells(sys);
    farewells.say(fd, Buffer.alloc(0));
    expect(farewells.open).toBe(0);
    expect(isClosed(fd)).toBe(true);
    client.destroy();
  });
});

describe("over an upgrade", () => {
  /** What another process makes of it. */
  function upgrade(farewells: Farewells, limits: FarewellLimits, deadline?: number): Farewells {
    farewells.save((fd) => fd);
    const saved = farewells
      .save((fd) => sys.dup(fd))
      .map((one) => ({ ...one, ...(deadline === undefined ? {} : { deadline }) }));
    const state = JSON.parse(JSON.stringify(saved));
    expect(state).toEqual(saved);
    farewells.close();
    return createFarewells(sys, limits, { state, claim: (fd) => fd });
  }

  test("the rest of a text is said, and no byte of it twice", async () => {
    const { client, fd } = await stubborn();
    const long = Buffer.from(Array.from({ length: 1 << 22 }, (_, n) => n % 251));
    const farewells = createFarewells(sys, patient);
    farewells.say(fd, long);
    const [saved] = farewells.save((fd) => fd);
    expect(saved?.rest.length).toBeGreaterThan(0);
    const then = upgrade(farewells, patient);
    const chunks: Buffer[] = [];
    client.on("data", (chunk: Buffer) => chunks.push(chunk));
    await once(client, "end");
    expect(Buffer.concat(chunks).equals(long)).toBe(true);
    client.end();
    await over(then);
  });

  test("what was dropped before counts", async () => {
    const limits = { ...patient, bytes: 100_000 };
    const { client, fd } = await stubborn();
    const farewells = createFarewells(sys, limits);
    farewells.say(fd, text);
    client.write(flood);
    const drained = () => farewells.save((fd) => fd)[0]?.drained;
    while (drained() !== flood.length) await new Promise((resolve) => setImmediate(resolve));
    const then = upgrade(farewells, limits);
    expect(then.open).toBe(1);
    client.write(flood);
    await over(then);
    client.destroy();
  });

  test("the time is that which they had before", async () => {
    const { client, fd } = await stubborn();
    const farewells = createFarewells(sys, patient);
    farewells.say(fd, text);
    const then = upgrade(farewells, patient, 0);
    expect(then.open).toBe(1);
    await over(then);
    client.destroy();
  });
});
