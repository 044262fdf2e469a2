/** Handlers of `stdio`, and those who are not served yet or not at all, while the daemon executes itself anew. */
import { expect, test } from "vitest";
import { startFixture, statusOf } from "../core/tools.ts";
import { ask, type Client, connect, type Target } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import { askReport } from "../rig/report.ts";
import type { Rig } from "../rig/rig.ts";
import { upgrade } from "./tools.ts";

const onData = 'wake_on = "data"\n';

const startOnUnix = (keys: string) =>
  startDaemon(
    ({ directory, fixture }) =>
      `[services.fixture]\nlisten = "${directory}/s"\ncommand = "${fixture("handler")}"\n${keys}`,
  );

/** A client with a handler, whose pid the handler itself tells. */
async function served(target: Target): Promise<{ client: Client; pid: number }> {
  const client = await connect(target);
  return { client, pid: (await askReport(client)).pid };
}

async function kinds(keys: string, kind: "tcp" | "unix"): Promise<{ rig: Rig; target: Target }> {
  if (kind === "unix") {
    const rig = await startOnUnix(keys);
    return { rig, target: `${rig.directory}/s` };
  }
  const rig = await startFixture(keys);
  return { rig, target: await rig.port("fixture") };
}

test("a connection goes on, one that comes later has the next number, and all bytes are counted", async () => {
  await using rig = await startFixture();
  await upgrade(rig);
  const before = rig.descriptors();
  const port = await rig.port("fixture");
  await using client = await connect(port);
  const first = await askReport(client);
  await upgrade(rig);
  await upgrade(rig);
  expect(await client.command("echo still here")).toBe("still here");
  await using later = await connect(port);
  const second = await askReport(later);
  expect(second.environment).toContain("TINETD_CONNECTION=2");
  expect(second).toMatchObject({ parent: first.parent, status: first.status, umask: first.umask });
  const numbers = ({ descriptors }: typeof first) => descriptors.map(({ fd, flags }) => [fd, flags]);
  expect(numbers(second)).toEqual(numbers(first));
  expect(await statusOf(rig)).toMatchObject({ connections: 2, accepted: 2, spawned: 2, state: "active" });
  for (const [one, { pid }] of [
    [client, first],
    [later, second],
  ] as const) {
    one.end();
    await one.rest();
    const { bytesWritten: bytes_in, bytesRead: bytes_out } = one.socket;
    expect(await rig.event("connection.closed", { pid })).toMatchObject({ code: 0, bytes_in, bytes_out });
  }
  // At first there was the connection by which we had asked for the upgrade, perhaps.
  await eventually("no descriptor is left over", () => rig.descriptors() <= before);
});

test("a crowd during upgrades: everybody is served, and nobody twice", async () => {
  await using rig = await startDaemon('[services.echo]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n');
  const port = await rig.port("echo");
  let isOver = false;
  const upgrades = (async () => {
    for (let round = 0; round < 3; round++) await upgrade(rig);
    isOver = true;
  })();
  const crowd = Array.from({ length: 5 }, async (_, who) => {
    let count = 0;
    for (; !isOver; count++) expect(await ask(port, `${who} ${count}`)).toBe(`${who} ${count}`);
    return count;
  });
  const counts = await Promise.all(crowd);
  await upgrades;
  const all = counts.reduce((sum, count) => sum + count, 0);
  expect(await statusOf(rig)).toMatchObject({ accepted: all, spawned: all, refused: {} });
});

test("everybody who is refused meanwhile reads why", async () => {
  const refusal = "come back later ".repeat(60);
  await using rig = await startFixture(`max_instances = 1\non_limit = "refuse"\nrefusal = "${refusal}"`);
  const port = await rig.port("fixture");
  const { client } = await served(port);
  let isOver = false;
  const upgrades = (async () => {
    for (let round = 0; round < 3; round++) await upgrade(rig);
    isOver = true;
  })();
  const crowd = Array.from({ length: 5 }, async () => {
    let count = 0;
    // With something to say, which a plain close would answer with a reset.
    for (; !isOver; count++) expect(await ask(port, "hello?\n".repeat(1_000))).toBe(refusal);
    return count;
  });
  const counts = await Promise.all(crowd);
  await upgrades;
  const limit = counts.reduce((sum, count) => sum + count, 0);
  expect(await statusOf(rig)).toMatchObject({ accepted: 1, refused: { limit } });
  expect(await client.command("echo here")).toBe("here");
});

test("who has said nothing yet still has his place, and is served when he speaks", async () => {
  await using rig = await startFixture(`${onData}max_instances = 2\nfirst_byte_timeout = "1h"`);
  const port = await rig.port("fixture");
  await using one = await connect(port);
  await using other = await connect(port);
  await rig.event("service.state", { state: "limited", reason: "limit" });
  await upgrade(rig);
  await using third = await connect(port);
  third.write("echo third\n");
  expect(await one.command("echo at last")).toBe("at last");
  expect(await statusOf(rig)).toMatchObject({ state: "limited", accepted: 1, spawned: 1 });
  await upgrade(rig);
  other.end();
  expect(await third.line()).toBe("third");
  expect((await other.rest()).toString()).toBe("");
  expect(await statusOf(rig)).toMatchObject({ accepted: 2, spawned: 2, refused: {} });
});

test("silence ends in its time, with the refusal", async () => {
  await using rig = await startFixture(`${onData}first_byte_timeout = "3s"\nrefusal = "speak!\\n"`);
  const port = await rig.port("fixture");
  await using client = await connect(port);
  await upgrade(rig);
  expect((await client.rest()).toString()).toBe("speak!\n");
  expect(await statusOf(rig)).toMatchObject({ accepted: 0, refused: { timeout: 1 } });
});

test.each(["tcp", "unix"] as const)("a handler whose client is gone is ended: %s", async (kind) => {
  const { rig, target } = await kinds('on_disconnect = "stop"', kind);
  await using _rig = rig;
  const before = await served(target);
  const during = await served(target);
  const stays = await served(target);
  for (const { client } of [before, during, stays]) await client.command("hang");
  const gone = ({ client }: typeof before) => (kind === "tcp" ? client.reset() : client.socket.destroy());
  const upgrading = upgrade(rig);
  gone(during);
  await upgrading;
  gone(before);
  for (const { pid } of [before, during]) {
    expect(await rig.event("handler.stopping", { pid })).toMatchObject({ reason: "the client has gone" });
    await rig.event("connection.closed", { pid, signal: "SIGTERM" });
  }
  expect(isAlive(stays.pid)).toBe(true);
  process.kill(stays.pid, "SIGTERM");
});

test.each(["tcp", "unix"] as const)("a quiet handler is ended, a busy one lives: %s", async (kind) => {
  const { rig, target } = await kinds('idle_timeout = "2s"', kind);
  await using _rig = rig;
  const quiet = await served(target);
  const busy = await served(target);
  let isOver = false;
  const all = Promise.all([rig.event("handler.stopping"), upgrade(rig)]).finally(() => {
    isOver = true;
  });
  while (!isOver) expect(await busy.client.command("echo on")).toBe("on");
  const [stopping] = await all;
  expect(stopping).toMatchObject({ pid: quiet.pid, reason: "idle_timeout" });
  expect(await busy.client.command("echo still here")).toBe("still here");
});
