/** What an operator does over the control socket, seen from clients. */
import { expect, test } from "vitest";
import { startFixture, statusOf } from "../core/tools.ts";
import { connect } from "../rig/client.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import { call } from "./tools.ts";

const done = { code: 200, body: {} };

test("paused: who knocks waits in the queue, who is in goes on, and resume serves both", async () => {
  await using rig = await startFixture();
  const port = await rig.port("fixture");
  await using inside = await connect(port);
  expect(await inside.command("echo in")).toBe("in");
  expect(await call(rig, "POST", "/v1/services/fixture/pause")).toEqual(done);
  await rig.event("service.state", { state: "paused" });
  await using outside = await connect(port);
  const answer = outside.command("echo out");
  expect(await inside.command("echo still")).toBe("still");
  expect(await statusOf(rig)).toMatchObject({ state: "paused", accepted: 1 });
  expect(await call(rig, "POST", "/v1/services/fixture/resume")).toEqual(done);
  expect(await answer).toBe("out");
});

test("a pause ends by itself after max_wait_ms", async () => {
  await using rig = await startFixture();
  const path = "/v1/services/fixture/pause";
  expect(await call(rig, "POST", path, { max_wait_ms: 300 })).toEqual(done);
  const paused = await rig.event("service.state", { state: "paused" });
  expect(paused.until_ms).toBeGreaterThan(0);
  await using client = await connect(await rig.port("fixture"));
  expect(await client.command("echo served")).toBe("served");
});

test("stopped: nobody can connect, and the port is there again after a start", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo in");
  expect(await call(rig, "POST", "/v1/services/fixture/stop")).toEqual(done);
  expect((await client.rest()).toString()).toBe("");
  expect(await statusOf(rig)).toMatchObject({ state: "stopped", handlers: [], listeners: [] });
  expect(await call(rig, "POST", "/v1/services/fixture/start")).toEqual(done);
  await using next = await connect(listenerPort((await statusOf(rig)).listeners[0]?.address));
  expect(await next.command("echo again")).toBe("again");
});

test("drained: nobody new comes in, and who is in may finish", async () => {
  await using rig = await startFixture();
  const port = await rig.port("fixture");
  await using client = await connect(port);
  await client.command("echo in");
  let finished = false;
  const stopping = call(rig, "POST", "/v1/services/fixture/stop", { drain: true }).then((answer) => {
    finished = true;
    return answer;
  });
  await rig.event("service.state", { state: "stopped" });
  expect(await statusOf(rig)).toMatchObject({ listeners: [], connections: 1 });
  await expect(connect(port)).rejects.toThrow("ECONNREFUSED");
  expect(await client.command("echo still")).toBe("still");
  expect(finished).toBe(false);
  client.end();
  expect(await stopping).toEqual(done);
  expect((await rig.event("handler.exited")).signal).toBeNull();
});

test("a handler of ours is ended by its pid or its connection, and no other process is", async () => {
  await using rig = await startFixture();
  const port = await rig.port("fixture");
  await using one = await connect(port);
  await one.command("echo 1");
  await using other = await connect(port);
  await other.command("echo 2");
  const { body } = await call(rig, "GET", "/v1/connections");
  const [first, second] = body as { id: number; pid: number }[];
  expect(await call(rig, "DELETE", `/v1/handlers/${first?.pid}`)).toEqual(done);
  expect((await one.rest()).toString()).toBe("");
  expect(await call(rig, "DELETE", `/v1/connections/${second?.id}`)).toEqual(done);
  expect((await other.rest()).toString()).toBe("");
  const foreign = await call(rig, "DELETE", `/v1/handlers/${process.pid}`);
  expect(foreign).toEqual({ code: 404, body: { error: `${process.pid} is no handler of this daemon` } });
});

test("shutdown is answered when all has stopped, and the daemon ends with 0", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  await client.command("echo in");
  const { pid } = await rig.event("handler.started");
  expect(await call(rig, "POST", "/v1/shutdown")).toEqual(done);
  expect(isAlive(pid)).toBe(false);
  await eventually("the daemon has ended", () => !isAlive(rig.pid));
});

test("what is asked wrongly is answered with what is wrong", async () => {
  await using rig = await startFixture();
  expect(await call(rig, "POST", "/v1/services/fixtur/stop")).toEqual({
    code: 404,
    body: { error: 'there is no service "fixtur"; did you mean "fixture"?' },
  });
  const wrong = await call(rig, "POST", "/v1/services/fixture/pause", { max_wait_ms: "soon" });
  expect(wrong.code).toBe(400);
  expect(wrong.body).toMatchObject({ error: expect.stringContaining('max_wait_ms: "soon"') });
  expect((await call(rig, "POST", "/v1/services/fixture/stop", [1])).code).toBe(400);
});

function listenerPort(address: string | undefined): number {
  return Number(address?.slice(address.lastIndexOf(":") + 1));
}
