/** `max_lifetime` of workers that accept by themselves: they go in a moment in which nobody is connected. */
import { expect, test } from "vitest";
import { call, startFreezing, visit } from "../frozen/tools.ts";

const lifetimeMs = 400;
const keys = `max_lifetime = "${lifetimeMs}ms"\nidle_timeout = "off"\non_idle = "stop"`;

test.each(["listen", "wait"] as const)("%s: when nobody is there, it goes at once", async (handoff) => {
  await using rig = await startFreezing({ handoff, keys });
  const port = await rig.port("it");
  const pid = await call(port);
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: "max_lifetime" });
  await rig.event("handler.exited", { pid });
  expect(await call(port)).not.toBe(pid);
});

test.each(["listen", "wait"] as const)("%s: it stays as long as somebody is connected", async (handoff) => {
  await using rig = await startFreezing({ handoff, keys: `${keys}\nstop_timeout = "1m"` });
  const port = await rig.port("it");
  const { client, pid } = await visit(port);
  const started = await rig.event("handler.started");
  while (Date.now() < Date.parse(started.time) + 2 * lifetimeMs)
    expect(await client.command("on")).toBe("on");
  const left = Date.now();
  await client[Symbol.asyncDispose]();
  const stopping = await rig.event("handler.stopping");
  expect(stopping).toMatchObject({ pid, reason: "max_lifetime" });
  expect(Date.parse(stopping.time)).toBeGreaterThanOrEqual(left);
});

test.each(["listen", "wait"] as const)("%s: but no longer than stop_timeout", async (handoff) => {
  await using rig = await startFreezing({
    handoff,
    words: ["polite"],
    keys: `${keys}\nstop_timeout = "300ms"`,
  });
  const port = await rig.port("it");
  const { client, pid } = await visit(port);
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: "max_lifetime" });
  expect(await rig.event("handler.exited")).toMatchObject({ pid, code: 5 });
  await client.rest();
  expect(await call(port)).not.toBe(pid);
});

test("workers.min are replaced although they have ended well", async () => {
  await using rig = await startFreezing({ words: ["content"], keys: `${keys}\nworkers = { min = 1 }` });
  const { pid } = await rig.event("handler.started");
  const exited = await rig.event("handler.exited", { pid, code: 0 });
  await rig.event("handler.started", {}, { after: exited });
});

test("a frozen worker is replaced too", async () => {
  await using rig = await startFreezing({
    words: ["polite"],
    keys: 'idle_timeout = "100ms"\nmax_lifetime = "1s"',
  });
  const port = await rig.port("it");
  const pid = await call(port);
  await rig.event("handler.frozen", { pid });
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: "max_lifetime" });
  await rig.event("handler.exited", { pid, code: 5 });
  expect(await call(port)).not.toBe(pid);
});
