/** `proxy`, its daemon and its clients, while tinetd executes itself anew. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { call } from "../control/tools.ts";
import { descriptorsAreBack, statusOf } from "../core/tools.ts";
import { isFrozen } from "../frozen/tools.ts";
import { faulty, gate, ownAddress, startProxy } from "../proxy/tools.ts";
import { type Client, connect } from "../rig/client.ts";
import { getJson } from "../rig/control.ts";
import type { Logged } from "../rig/event-log.ts";
import type { Rig } from "../rig/rig.ts";

/** Asks for an upgrade, and waits until it is done. @param after the one before it */
async function upgrade(rig: Rig, after?: Logged): Promise<Logged> {
  rig.signal("SIGUSR2");
  const event = await rig.event("daemon.upgrade", {}, after === undefined ? {} : { after });
  expect(event).not.toHaveProperty("error");
  return event;
}

async function leave(client: Client): Promise<void> {
  client.end();
  await client.rest();
}

const kinds = [
  { client: "TCP", daemon: "a Unix socket", options: {} },
  {
    client: "a Unix socket",
    daemon: "TCP",
    options: { listen: (directory: string) => `unix:${directory}/it.sock`, upstream: ownAddress },
  },
];

test.each(kinds)(
  "what is under way both ways from $client to $daemon arrives to the last byte",
  async ({ options }) => {
    await using rig = await startProxy(options);
    const { port = null } = "listen" in options ? {} : { port: await rig.port("it") };
    const target = port === null ? { path: join(rig.directory, "it.sock") } : { port, host: "127.0.0.1" };
    const socket = createConnection({ ...target, allowHalfOpen: true });
    const [said, heard] = [createHash("sha1"), createHash("sha1")];
    let isOver = false;
    let length = 0;
    const speak = async () => {
      socket.write("copy\n");
      while (!isOver) {
        const block = randomBytes(100_000);
        said.update(block);
        length += block.length;
        if (!socket.write(block)) await once(socket, "drain");
      }
      socket.end();
    };
    // Slower than it comes, so that everything on the way is full.
    const listen = async () => {
      for await (const chunk of socket) {
        heard.update(chunk);
        for (let turns = 0; turns < 3; turns++) await setImmediate();
      }
    };
    const upgradeAgainAndAgain = async () => {
      await rig.event("handler.ready");
      let last: Logged | undefined;
      for (let n = 0; n < 4; n++) last = await upgrade(rig, last);
      isOver = true;
    };
    await Promise.all([speak(), listen(), upgradeAgainAndAgain()]);
    expect(heard.digest("hex")).toBe(said.digest("hex"));
    const closed = await rig.event("connection.closed");
    expect(closed).toMatchObject({ bytes_in: 5 + length, bytes_out: length });
    expect(closed).not.toHaveProperty("error");
    expect(await statusOf(rig)).toMatchObject({ accepted: 1, connections: 0, spawned: 1 });
    expect(await rig.stop()).toEqual({ code: 0, signal: null });
  },
);

test("a client who reads nothing for a while reads all of it afterwards", async () => {
  await using rig = await startProxy({ upstream: ownAddress });
  const port = await rig.port("it");
  await leave(await connect(port));
  await rig.event("connection.closed", { connection: 1 });
  const before = rig.descriptors();
  const socket = createConnection({ port, host: "127.0.0.1", allowHalfOpen: true });
  // More than the kernel and the relay take.
  const bytes = randomBytes(20_000_000);
  socket.write("copy\n");
  socket.end(bytes);
  await rig.event("connection.accepted", { connection: 2 });
  await upgrade(rig, await upgrade(rig));
  const heard = createHash("sha1");
  for await (const chunk of socket) heard.update(chunk);
  expect(heard.digest("hex")).toBe(createHash("sha1").update(bytes).digest("hex"));
  expect(await rig.event("connection.closed", { connection: 2 })).toMatchObject({
    bytes_in: 5 + bytes.length,
    bytes_out: bytes.length,
  });
  // What was not sent has come along in a file of its own.
  await descriptorsAreBack(rig, before);
});

test("a client who has asked and half-closed is answered afterwards", async () => {
  await using rig = await startProxy();
  const port = await rig.port("it");
  const [one, two] = [await connect(port), await connect(port)];
  const pid = Number(await one.command("pid"));
  expect(Number(await two.command("pid"))).toBe(pid);
  process.kill(pid, "SIGSTOP");
  one.write("one\n");
  one.end();
  const first = await upgrade(rig);
  two.write("two\n");
  two.end();
  await upgrade(rig, first);
  process.kill(pid, "SIGCONT");
  expect((await one.rest()).toString()).toBe("one\n");
  expect((await two.rest()).toString()).toBe("two\n");
  const bytes_out = `${pid}\n`.length + 4;
  for (const connection of [1, 2]) {
    const closed = await rig.event("connection.closed", { connection });
    expect(closed).toMatchObject({ pid, bytes_in: 8, bytes_out });
    expect(closed).not.toHaveProperty("error");
  }
});

test("open connections stay, new ones come, and nothing is left behind", async () => {
  await using rig = await startProxy();
  const port = await rig.port("it");
  const one = await connect(port);
  const pid = Number(await one.command("pid"));
  const before = rig.descriptors();
  const first = await upgrade(rig);
  expect(await one.command("still here")).toBe("still here");
  await upgrade(rig, first);
  const two = await connect(port);
  expect(Number(await two.command("pid"))).toBe(pid);
  expect(Number(await one.command("pid"))).toBe(pid);
  expect(await statusOf(rig)).toMatchObject({
    state: "active",
    accepted: 2,
    connections: 2,
    spawned: 1,
    handlers: [{ pid, state: "ready", connections: 2 }],
  });
  await leave(two);
  expect(await rig.event("connection.closed", { connection: 2 })).not.toHaveProperty("error");
  await descriptorsAreBack(rig, before);
  await leave(one);
  expect(await rig.event("connection.closed", { connection: 1 })).not.toHaveProperty("error");
  expect(await statusOf(rig)).toMatchObject({ connections: 0, handlers: [{ pid, state: "idle" }] });
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
});

test("who waits for a daemon that is not ready is served when it is", async () => {
  const start = gate("start");
  await using rig = await startProxy({ words: start.word("gate") });
  const port = await rig.port("it");
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(port)));
  const answers = clients.map((client, n) => client.command(`hello ${n}`));
  await rig.event("connection.accepted", ({ connection }) => connection === 20);
  const [gone] = clients.splice(0, 1);
  void answers.splice(0, 1)[0]?.catch(() => {});
  const first = await upgrade(rig);
  gone?.reset();
  await rig.event("connection.closed", { error: "the client went away before the worker was ready" });
  await upgrade(rig, first);
  await start.open(rig);
  for (const [n, answer] of answers.entries()) expect(await answer).toBe(`hello ${n + 1}`);
  expect(await statusOf(rig)).toMatchObject({ accepted: 20, connections: 19, refused: {}, spawned: 1 });
});

test("who waits for a daemon that cannot be started is served when it can", async () => {
  await using rig = await startProxy({ words: faulty, keys: 'start_limit = "3/10s"' });
  const client = await connect(await rig.port("it"));
  const answer = client.command("at last");
  await rig.event("service.state", { state: "failed" });
  await upgrade(rig);
  rmSync(join(rig.directory, "fault"));
  expect(await answer).toBe("at last");
  expect(await statusOf(rig)).toMatchObject({ accepted: 1, connections: 1, refused: {} });
});

test("a crowd that comes and goes meanwhile is answered", async () => {
  await using rig = await startProxy();
  const port = await rig.port("it");
  let isOver = false;
  let clients = 0;
  const comeAndGo = async () => {
    while (!isOver) {
      clients += 1;
      const text = `hello ${clients}`;
      const client = await connect(port);
      expect(await client.command(text)).toBe(text);
      await leave(client);
    }
  };
  const crowd = Promise.all(Array.from({ length: 16 }, comeAndGo));
  let last: Logged | undefined;
  for (let n = 0; n < 4; n++) last = await upgrade(rig, last);
  isOver = true;
  await crowd;
  for (let connection = 1; connection <= clients; connection++) {
    expect(await rig.event("connection.closed", { connection })).not.toHaveProperty("error");
  }
  expect(rig.events.filter(({ event }) => event === "connection.closed")).toHaveLength(clients);
  expect(await statusOf(rig)).toMatchObject({ accepted: clients, connections: 0, refused: {}, spawned: 1 });
});

test("a frozen daemon stays so, and is woken by the next connection", async () => {
  await using rig = await startProxy({ keys: 'idle_timeout = "150ms"\non_idle = "freeze"' });
  const port = await rig.port("it");
  const first = await connect(port);
  const pid = Number(await first.command("pid"));
  await leave(first);
  await rig.event("handler.frozen", { pid });
  await upgrade(rig);
  expect(isFrozen(pid)).toBe(true);
  const second = await connect(port);
  expect(Number(await second.command("pid"))).toBe(pid);
  await rig.event("handler.thawed", { pid });
});

test("an idle daemon is taken away when its time is over, and the next client starts another", async () => {
  await using rig = await startProxy({ keys: 'idle_timeout = "2s"' });
  const port = await rig.port("it");
  const first = await connect(port);
  const pid = Number(await first.command("pid"));
  await leave(first);
  await upgrade(rig);
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: "idle_timeout" });
  expect(Number(await (await connect(port)).command("pid"))).not.toBe(pid);
});

test("connections that have outlived their daemon, and its generation, go along, and end with the service", async () => {
  const address = ownAddress();
  await using rig = await startProxy({ upstream: () => address, keys: 'kill_mode = "group"' });
  const client = await connect(await rig.port("it"));
  const pid = Number(await client.command("pid"));
  client.write("exit\n");
  await rig.event("handler.exited", { pid });
  const first = await upgrade(rig);
  const text = readFileSync(rig.configPath, "utf8");
  writeFileSync(rig.configPath, text.replace('upstream = "', 'environment = { A = "b" }\nupstream = "'));
  expect((await call(rig, "POST", "/v1/reload")).code).toBe(200);
  await upgrade(rig, first);
  expect(await statusOf(rig)).toMatchObject({ connections: 1, handlers: [] });
  expect(await getJson(rig.controlSocket, "/v1/connections")).toMatchObject([{ id: 1, pid }]);
  client.end();
  const closed = await rig.event("connection.closed", { connection: 1 });
  expect(closed).toMatchObject({ pid, bytes_in: 9 });
  expect(closed).not.toHaveProperty("error");
  expect(await statusOf(rig)).toMatchObject({ connections: 0 });
});
