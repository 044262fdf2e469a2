/** The control socket, and callers that are slow or hostile. */
import { once } from "node:events";
import { lstatSync } from "node:fs";
import { request } from "node:http";
import { connect as dial, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { connect } from "../rig/client.ts";
import type { Rig } from "../rig/rig.ts";
import { descriptorsAreBack, startFixture } from "./tools.ts";

test("the socket is its owner's alone", async () => {
  await using rig = await startFixture();
  const { mode, uid } = lstatSync(rig.controlSocket);
  expect({ mode: mode & 0o777, uid }).toEqual({ mode: 0o600, uid: process.geteuid?.() });
});

test("what it does not know is answered with an error that names it", async () => {
  await using rig = await startFixture();
  expect(await call(rig, "GET", "/v1/nothing")).toEqual({
    code: 404,
    body: { error: "there is no /v1/nothing" },
  });
  const wrongMethod = await call(rig, "DELETE", "/v1/status");
  expect(wrongMethod).toEqual({ code: 405, body: { error: "DELETE is not possible on /v1/status" } });
  expect(await call(rig, "GET", "/v1/status?x=1")).toMatchObject({ code: 200 });
});

test("callers that send garbage, or too much, are closed", async () => {
  await using rig = await startFixture();
  const before = rig.descriptors();
  for (const garbage of ["not HTTP at all\r\n\r\n", `GET / HTTP/1.1\r\nx: ${"y".repeat(100_000)}\r\n\r\n`]) {
    const socket = dial(rig.controlSocket);
    socket.write(garbage);
    await closed(socket);
  }
  await descriptorsAreBack(rig, before);
  expect((await rig.status()).daemon.pid).toBe(rig.pid);
});

test("callers that say nothing are closed, and keep neither other callers nor the services from being served", async () => {
  await using rig = await startFixture();
  const before = rig.descriptors();
  const silent: Socket[] = [];
  // As many as there may be at once.
  for (let count = 0; count < 64; count++) {
    const socket = dial(rig.controlSocket);
    await once(socket, "connect");
    silent.push(socket);
  }
  await using client = await connect(await rig.port("fixture"));
  expect(await client.command("echo served")).toBe("served");
  const answer = rig.status();
  await Promise.all(silent.map(closed));
  expect((await answer).daemon.pid).toBe(rig.pid);
  client.end();
  await client.rest();
  await descriptorsAreBack(rig, before);
});

/** By the other side, whether with an end or a reset. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket
      .on("error", () => {})
      .on("close", () => resolve())
      .resume();
  });
}

async function call(rig: Rig, method: string, path: string): Promise<{ code: number; body: unknown }> {
  const sent = request({ socketPath: rig.controlSocket, method, path, agent: false }).end();
  const [response] = await once(sent, "response");
  return { code: response.statusCode, body: JSON.parse(await text(response)) };
}
