/** `on_idle = "freeze"` of workers that accept by themselves: what stands still, who wakes it, how it ends. */
import { describe, expect, test } from "vitest";
import { statusOf } from "../core/tools.ts";
import { mechanisms } from "../process/mechanisms.ts";
import { datagramClient } from "../rig/client.ts";
import { needs } from "../rig/needs.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import { call, isFrozen, isStopped, startFreezing, visit } from "./tools.ts";

describe.each(mechanisms)("by $name", ({ name, needs: needed, launcher }) => {
  const rooted = needs(...needed);

  rooted(
    "an idle worker stands still with all that it has started, and the next client wakes it",
    async () => {
      await using rig = await startFreezing({ launcher });
      const port = await rig.port("it");
      const { client, pid } = await visit(port);
      const child = Number(await client.command("child"));
      expect(isFrozen(pid)).toBe(false);
      await client[Symbol.asyncDispose]();

      const frozen = await rig.event("handler.frozen");
      expect(frozen).toMatchObject({ pid });
      expect([pid, child].map(isFrozen)).toEqual([true, true]);
      expect([pid, child].map(isStopped)).toEqual(Array(2).fill(name === "descent"));
      expect((await statusOf(rig)).handlers).toMatchObject([{ pid, state: "frozen" }]);

      const again = await visit(port);
      expect(again.pid).toBe(pid);
      expect(await rig.event("handler.thawed")).toMatchObject({ pid, duration_ms: expect.any(Number) });
      expect([pid, child].map(isFrozen)).toEqual([false, false]);
      expect((await statusOf(rig)).handlers).toMatchObject([{ pid, state: "ready" }]);
      expect(await again.client.command("on")).toBe("on");
      await again.client[Symbol.asyncDispose]();

      await rig.event("handler.frozen", {}, { after: frozen });
      expect(await rig.stop()).toEqual({ code: 0, signal: null });
      expect(await rig.event("handler.exited")).toMatchObject({ pid, signal: "SIGTERM" });
      expect([pid, child].filter(isAlive)).toEqual([]);
    },
  );

  rooted("a frozen worker hears the stop signal, and ends in its own way", async () => {
    await using rig = await startFreezing({ launcher, words: ["polite"] });
    const pid = await call(await rig.port("it"));
    await rig.event("handler.frozen");
    await rig.stop();
    expect(await rig.event("handler.exited")).toMatchObject({ pid, code: 5 });
  });

  rooted("one that does not heed it is killed at stop_timeout", async () => {
    await using rig = await startFreezing({ launcher, words: ["deaf"], keys: 'stop_timeout = "100ms"' });
    const pid = await call(await rig.port("it"));
    await rig.event("handler.frozen");
    await rig.stop();
    expect(await rig.event("handler.exited")).toMatchObject({ pid, signal: "SIGKILL" });
  });

  rooted("after max_frozen it is stopped, and the next client gets another", async () => {
    await using rig = await startFreezing({ launcher, words: ["polite"], keys: 'max_frozen = "300ms"' });
    const port = await rig.port("it");
    const pid = await call(port);
    const frozen = await rig.event("handler.frozen");
    const stopping = await rig.event("handler.stopping");
    expect(stopping).toMatchObject({ pid, reason: "max_frozen" });
    expect(Date.parse(stopping.time) - Date.parse(frozen.time)).toBeGreaterThanOrEqual(290);
    expect(await rig.event("handler.exited")).toMatchObject({ pid, code: 5 });
    expect(await call(port)).not.toBe(pid);
  });

  rooted("one that is killed while it is frozen takes its own with it, and is replaced", async () => {
    await using rig = await startFreezing({ launcher });
    const port = await rig.port("it");
    const { client, pid } = await visit(port);
    const child = Number(await client.command("child"));
    await client[Symbol.asyncDispose]();
    await rig.event("handler.frozen");
    process.kill(pid, "SIGKILL");
    expect(await rig.event("handler.exited")).toMatchObject({ pid, signal: "SIGKILL" });
    await eventually("its child is gone", () => !isAlive(child));
    expect(await call(port)).not.toBe(pid);
  });
});

test.each(["group", "process"])("kill_mode = %s says who is frozen", async (mode) => {
  await using rig = await startFreezing({ keys: `kill_mode = "${mode}"\nmax_frozen = "off"` });
  const port = await rig.port("it");
  const { client, pid } = await visit(port);
  const child = Number(await client.command("child"));
  await client[Symbol.asyncDispose]();
  await rig.event("handler.frozen");
  // It is in a session, and so in a group, of its own.
  expect([pid, child].map(isFrozen)).toEqual([true, false]);
  expect(await call(port)).toBe(pid);
  await rig.event("handler.thawed");
  process.kill(child, "SIGKILL");
});

test("what a killed worker leaves in its group goes on", async () => {
  await using rig = await startFreezing({ words: [], keys: 'kill_mode = "group"' });
  const { client, pid } = await visit(await rig.port("it"));
  const sibling = Number(await client.command("sibling"));
  await client[Symbol.asyncDispose]();
  await rig.event("handler.frozen");
  expect(isFrozen(sibling)).toBe(true);
  process.kill(pid, "SIGKILL");
  await rig.event("handler.exited", { pid });
  await eventually("it goes on", () => !isFrozen(sibling));
  expect(isAlive(sibling)).toBe(true);
});

test("who stood still before stays so", async () => {
  await using rig = await startFreezing({ keys: 'kill_mode = "group"' });
  const port = await rig.port("it");
  const { client, pid } = await visit(port);
  const sibling = Number(await client.command("sibling"));
  process.kill(sibling, "SIGSTOP");
  await eventually("it has stopped", () => isStopped(sibling));
  await client[Symbol.asyncDispose]();
  await rig.event("handler.frozen");
  expect(await call(port)).toBe(pid);
  expect(isStopped(sibling)).toBe(true);
});

test("the watchdog sleeps with the worker, and begins anew when it wakes", async () => {
  await using rig = await startFreezing({
    keys: 'ready = "notify"\nwatchdog = "2s"\nmax_frozen = "3s"',
  });
  const port = await rig.port("it");
  const pid = await call(port);
  const frozen = await rig.event("handler.frozen");
  const { client } = await visit(port);
  await rig.event("handler.thawed", { pid });
  expect(await client.command("still here")).toBe("still here");
  await client[Symbol.asyncDispose]();
  // Longer than the watchdog's time: it ends for another reason.
  await rig.event("handler.frozen", {}, { after: frozen });
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: "max_frozen" });

  const next = await visit(port);
  await rig.event("handler.ready", { pid: next.pid });
  await next.client.command("hush");
  expect(await rig.event("handler.stopping", { pid: next.pid })).toMatchObject({
    reason: "it has not said WATCHDOG=1 in time",
  });
});

test("workers.min are frozen and count as running, for longer than max_frozen too", async () => {
  await using rig = await startFreezing({ keys: 'workers = { min = 2, max = 2 }\nmax_frozen = "100ms"' });
  const first = await rig.event("handler.frozen");
  const second = await rig.event("handler.frozen", {}, { after: first });
  const port = await rig.port("it");
  const pids = [first.pid, second.pid];
  let frozen = second;
  for (let n = 0; n < 3; n++) {
    expect(pids).toContain(await call(port));
    const thawed = await rig.event("handler.thawed", { pid: first.pid }, { after: frozen });
    frozen = await rig.event("handler.frozen", { pid: first.pid }, { after: thawed });
  }
  while (Date.now() < Date.parse(frozen.time) + 500) await statusOf(rig);
  expect(await statusOf(rig)).toMatchObject({ spawned: 2, handlers: [{}, {}] });
  expect(rig.events.some(({ event }) => event === "handler.stopping")).toBe(false);

  // One of them is replaced, and the new one joins the other.
  process.kill(first.pid, "SIGKILL");
  const exited = await rig.event("handler.exited", { pid: first.pid });
  const third = await rig.event("handler.started", {}, { after: exited });
  await rig.event("handler.frozen", { pid: third.pid });
  expect([second.pid, third.pid]).toContain(await call(port));
});

test.each([
  ["wait", "127.0.0.1:0"],
  ["listen", "unix:DIRECTORY/it.sock"],
  ["wait", "unix:DIRECTORY/it.sock"],
] as const)("%s on %s: frozen, woken, frozen and stopped", async (handoff, address) => {
  await using rig = await startFreezing({
    handoff,
    listen: (directory) => address.replace("DIRECTORY", directory),
    keys: 'max_frozen = "500ms"',
  });
  const target = address.startsWith("unix:") ? `${rig.directory}/it.sock` : await rig.port("it");
  const pid = await call(target);
  const frozen = await rig.event("handler.frozen", { pid });
  expect(await call(target)).toBe(pid);
  await rig.event("handler.frozen", { pid }, { after: frozen });
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: "max_frozen" });
  await rig.event("handler.exited", { pid });
  expect(await call(target)).not.toBe(pid);
});

test.each(["wait", "listen"] as const)("%s on UDP: a datagram wakes the worker", async (handoff) => {
  await using rig = await startFreezing({ handoff, listen: "udp://127.0.0.1:0" });
  await using client = await datagramClient();
  const port = await rig.port("it");
  await client.send(port, "one");
  const pid = (await client.receive()).data.toString();
  await rig.event("handler.frozen", { pid: Number(pid) });
  await client.send(port, "two");
  expect((await client.receive()).data.toString()).toBe(pid);
  await rig.event("handler.thawed", { pid: Number(pid) });
});
