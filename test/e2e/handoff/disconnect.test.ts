/** `on_disconnect = "stop"`: handlers do not outlive clients who are gone, and do those who only have no more to say. */
import { expect, test } from "vitest";
import { loadSys } from "../../../src/native/sys.ts";
import { startFixture, statusOf } from "../core/tools.ts";
import { type Client, connect, type Target } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { asRoot, needs } from "../rig/needs.ts";
import { eventually } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";

const stop = 'on_disconnect = "stop"\n';

/** A client whose handler does nothing any more. */
async function withHandler(target: Target): Promise<{ client: Client; pid: number }> {
  const client = await connect(target);
  const pid = Number(JSON.parse(await client.command("report")).pid);
  return { client, pid };
}

/** Waits until a client that came after all others and then reset is known to be gone: then they all were looked at. */
async function lookedAt(rig: Rig, target: Target): Promise<void> {
  const { client, pid } = await withHandler(target);
  await client.command("hang");
  if (typeof target === "string") client.socket.destroy();
  else client.reset();
  await rig.event("handler.exited", { pid, signal: "SIGTERM" });
}

const pidsOf = async (rig: Rig) => (await statusOf(rig)).handlers.map(({ pid }) => pid);

test("a client that resets takes its handler with it", async () => {
  await using rig = await startFixture(stop);
  const { client, pid } = await withHandler(await rig.port("fixture"));
  await client.command("hang");
  client.reset();
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: "the client has gone" });
  expect(await rig.event("connection.closed")).toMatchObject({ pid, signal: "SIGTERM" });
});

test("one that has only ended its side is still there, and so is one of whom nothing is heard", async () => {
  await using rig = await startFixture(stop);
  const port = await rig.port("fixture");
  const ended = await withHandler(port);
  await ended.client.command("hang");
  ended.client.end();
  const quiet = await withHandler(port);
  await lookedAt(rig, port);
  expect(await pidsOf(rig)).toEqual([ended.pid, quiet.pid]);
  expect(await quiet.client.command("echo here")).toBe("here");
});

test("a handler that has closed its connection goes on", async () => {
  await using rig = await startFixture(stop);
  const port = await rig.port("fixture");
  const { client, pid } = await withHandler(port);
  client.write("leave\n");
  await client.rest();
  client.end();
  await lookedAt(rig, port);
  expect(await pidsOf(rig)).toEqual([pid]);
});

test("a client that the handler's own close has reset is no reason either", async () => {
  await using rig = await startFixture(stop);
  const port = await rig.port("fixture");
  const { client, pid } = await withHandler(port);
  // What it has not read resets the connection.
  client.write(`leave\n${"x".repeat(100_000)}`);
  await expect(client.rest()).rejects.toThrow("ECONNRESET");
  await lookedAt(rig, port);
  expect(await pidsOf(rig)).toEqual([pid]);
});

test("over a Unix socket: closed is gone, half-closed is not", async () => {
  await using rig = await startDaemon(
    ({ directory, fixture }) =>
      `[services.fixture]\nlisten = "${directory}/it.sock"\ncommand = "${fixture("handler")}"\n${stop}`,
  );
  const path = `${rig.directory}/it.sock`;
  const ended = await withHandler(path);
  await ended.client.command("hang");
  ended.client.end();
  await lookedAt(rig, path);
  expect(await pidsOf(rig)).toEqual([ended.pid]);
  ended.client.socket.destroy();
  expect(await rig.event("handler.stopping", { pid: ended.pid })).toMatchObject({
    reason: "the client has gone",
  });
});

needs(asRoot)("a client that keep-alive finds gone", async () => {
  await using rig = await startFixture(
    `${stop}socket = { keep_alive = { idle = 1, interval = 1, count = 1 } }`,
  );
  const sys = loadSys();
  const fd = sys.socket("inet", "stream");
  sys.setBlocking(fd, true);
  sys.connect(fd, { family: "inet", address: "127.0.0.1", port: await rig.port("fixture") });
  sys.write(fd, Buffer.from("hang\n"));
  sys.setBlocking(fd, false);
  const { pid } = await rig.event("handler.started");
  await eventually("it is answered", () => sys.read(fd, Buffer.alloc(10)) !== null);
  // From here on it hears nothing, and so answers nothing (BPF_RET 0).
  sys.attachFilter(fd, [6, 0, 0, 0]);
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: "the client has gone" });
  sys.close(fd);
});

test("without it a handler stays for whoever has gone", async () => {
  await using rig = await startDaemon(({ fixture }) =>
    ["keep", "stop"]
      .map(
        (word) =>
          `[services.${word}]\nlisten = "127.0.0.1:0"\ncommand = "${fixture("handler")}"\non_disconnect = "${word}"\n`,
      )
      .join("\n"),
  );
  const { client, pid } = await withHandler(await rig.port("keep"));
  await client.command("hang");
  client.reset();
  await lookedAt(rig, await rig.port("stop"));
  expect((await statusOf(rig, "keep")).handlers).toMatchObject([{ pid }]);
});
