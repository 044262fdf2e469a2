/** `on_idle = "freeze"` and `max_lifetime` of the daemon behind `proxy`. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { statusOf } from "../core/tools.ts";
import { startProxy } from "../proxy/tools.ts";
import { connect, type Target } from "../rig/client.ts";
import { isFrozen } from "./tools.ts";

const freeze = 'idle_timeout = "150ms"\non_idle = "freeze"';

async function call(target: Target): Promise<number> {
  await using client = await connect(target);
  const pid = Number(await client.command("pid"));
  client.end();
  await client.rest();
  return pid;
}

test("a connection wakes the daemon", async () => {
  await using rig = await startProxy({ keys: freeze });
  const port = await rig.port("it");
  const pid = await call(port);
  const frozen = await rig.event("handler.frozen", { pid });
  expect(isFrozen(pid)).toBe(true);
  expect((await statusOf(rig)).handlers).toMatchObject([{ pid, state: "frozen" }]);
  expect(await call(port)).toBe(pid);
  await rig.event("handler.thawed", { pid });
  await rig.event("handler.frozen", { pid }, { after: frozen });
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  expect(await rig.event("handler.exited")).toMatchObject({ pid, code: 0 });
});

test("after max_frozen it is stopped, and the next client gets another", async () => {
  await using rig = await startProxy({ keys: `${freeze}\nmax_frozen = "200ms"` });
  const port = await rig.port("it");
  const pid = await call(port);
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: "max_frozen" });
  await rig.event("handler.exited", { pid, code: 0 });
  expect(await call(port)).not.toBe(pid);
});

test("one that is kept stays frozen, and is replaced when it is killed", async () => {
  await using rig = await startProxy({ keys: `${freeze}\nmax_frozen = "100ms"\nworkers = { min = 1 }` });
  const port = await rig.port("it");
  const { pid } = await rig.event("handler.frozen");
  expect(await call(port)).toBe(pid);
  await rig.event("handler.frozen", { pid }, { after: await rig.event("handler.thawed") });
  process.kill(pid, "SIGKILL");
  const exited = await rig.event("handler.exited", { pid });
  const next = await rig.event("handler.started", {}, { after: exited });
  expect(await call(port)).toBe(next.pid);
});

test("clients around the edges are all answered", async () => {
  await using rig = await startProxy({
    keys: 'idle_timeout = "50ms"\non_idle = "freeze"\nmax_frozen = "30ms"',
  });
  const port = await rig.port("it");
  let stops = 0;
  while (stops < 5) {
    await call(port);
    // Around both timeouts, and what is added until they are noticed. No time is claimed here.
    await delay(40 + Math.random() * 80);
    stops = rig.events.filter(({ event }) => event === "handler.stopping").length;
  }
  const closed = rig.events.filter((event) => event.event === "connection.closed");
  expect(closed.filter((event) => "error" in event)).toEqual([]);
});

test("at max_lifetime it goes when nobody is connected, and after stop_timeout whoever is", async () => {
  await using rig = await startProxy({ keys: 'max_lifetime = "400ms"\nstop_timeout = "1s"' });
  const port = await rig.port("it");
  const first = await connect(port);
  const pid = Number(await first.command("pid"));
  const started = await rig.event("handler.started");
  while (Date.now() < Date.parse(started.time) + 600) expect(await first.command("on")).toBe("on");
  // Still the same: two cannot listen at one address.
  expect(await call(port)).toBe(pid);
  const left = Date.now();
  first.end();
  await first.rest();
  const stopping = await rig.event("handler.stopping");
  expect(stopping).toMatchObject({ pid, reason: "max_lifetime" });
  expect(Date.parse(stopping.time)).toBeGreaterThanOrEqual(left);

  const second = await connect(port);
  const next = Number(await second.command("pid"));
  expect(next).not.toBe(pid);
  expect(await rig.event("handler.stopping", { pid: next })).toMatchObject({ reason: "max_lifetime" });
  await second.rest();
});
