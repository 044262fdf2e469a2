/** Workers that accept by themselves (`listen`, `wait`), while the daemon executes itself anew. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { statusOf } from "../core/tools.ts";
import { call, isFrozen, startFreezing, visit } from "../frozen/tools.ts";
import { kind, kinds } from "../handoff/clients.ts";
import { noHandlerLeft, startAcceptor, starts } from "../handoff/tools.ts";
import { mechanisms } from "../process/mechanisms.ts";
import { connect, readAll } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { asRoot, needs } from "../rig/needs.ts";
import { eventually } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";
import { upgrade } from "./tools.ts";

describe.each(["listen", "wait"] as const)("%s", (handoff) => {
  describe.each(kinds)("$name", ({ listen, ask, leave }) => {
    test("a worker serves on, and the next is started when it has gone", async () => {
      await using rig = await startAcceptor({ handoff, listen });
      const pid = await ask(rig, "pid");
      await upgrade(rig);
      await upgrade(rig);
      expect(await ask(rig, "pid")).toBe(pid);
      expect((await statusOf(rig)).handlers).toMatchObject([{ pid: Number(pid), state: "ready" }]);
      await leave(rig, "exit 0");
      expect(await rig.event("handler.exited")).toMatchObject({ pid: Number(pid), code: 0 });
      await noHandlerLeft(rig);
      const next = await ask(rig, "pid");
      expect(next).not.toBe(pid);
      expect(await starts(rig)).toBe(2);
      expect((await statusOf(rig)).start_failures).toBe(0);
      expect(await rig.stop()).toEqual({ code: 0, signal: null });
    });
  });

  test("whoever is connected stays so, and is somebody because of whom the worker is not idle", async () => {
    await using rig = await startFreezing({ handoff, keys: 'on_idle = "stop"' });
    const port = await rig.port("it");
    const { client, pid } = await visit(port);
    await upgrade(rig);
    expect(await client.command("still here")).toBe("still here");
    await upgrade(rig);
    expect(await client.command("and now")).toBe("and now");
    expect(rig.events.filter(({ event }) => event === "handler.stopping")).toEqual([]);
    await client[Symbol.asyncDispose]();
    expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: "idle_timeout" });
    expect(await call(port)).not.toBe(pid);
  });

  test("no descriptor is left over", async () => {
    await using rig = await startFreezing({ handoff });
    const port = await rig.port("it");
    await call(port);
    await upgrade(rig);
    // The connection of whoever asked for the upgrade may be among them still.
    const before = rig.descriptors();
    for (let n = 0; n < 3; n++) await upgrade(rig);
    await call(port);
    await eventually(`at most ${before} descriptors`, () => rig.descriptors() <= before);
  });

  test("one that ends in the very moment is noticed", async () => {
    await using rig = await startAcceptor({ handoff, listen: "127.0.0.1:0" });
    for (let n = 0; n < 5; n++) {
      const pid = Number(await kind("TCP").ask(rig, "pid"));
      const upgraded = upgrade(rig);
      process.kill(pid, "SIGKILL");
      expect(await rig.event("handler.exited", { pid })).toMatchObject({ signal: "SIGKILL" });
      await upgraded;
    }
    expect((await statusOf(rig)).spawned).toBe(5);
  });

  // Closing the door at a TCP listener needs CAP_NET_ADMIN.
  needs(asRoot)("a door that is closed behind a worker is opened when that has gone", async () => {
    await using rig = await startStubborn(handoff);
    const port = await rig.port("it");
    const first = Number(await readAll(port));
    await rig.event("handler.stopping", { pid: first });
    // Its knock is dropped, and comes again.
    const second = readAll(port);
    await upgrade(rig);
    expect(await rig.event("handler.exited", { pid: first })).toMatchObject({ signal: "SIGKILL" });
    expect(Number(await second)).not.toBe(first);
  });
});

for (const { name, needs: needed, launcher } of mechanisms) {
  for (const handoff of ["listen", "wait"] as const) {
    const rooted = needs(...needed);
    rooted(`${handoff}: who is frozen by ${name} stays so, and is woken by the next client`, async () => {
      await using rig = await startFreezing({ handoff, launcher });
      const port = await rig.port("it");
      const { client, pid } = await visit(port);
      const child = Number(await client.command("child"));
      await client[Symbol.asyncDispose]();
      const frozen = await rig.event("handler.frozen");
      await upgrade(rig);
      await upgrade(rig);
      expect([pid, child].map(isFrozen)).toEqual([true, true]);
      expect((await statusOf(rig)).handlers).toMatchObject([{ pid, state: "frozen" }]);
      const again = await visit(port);
      expect([again.pid, await again.client.command("on")]).toEqual([pid, "on"]);
      await rig.event("handler.thawed", { pid });
      expect([pid, child].map(isFrozen)).toEqual([false, false]);
      await again.client[Symbol.asyncDispose]();
      await rig.event("handler.frozen", {}, { after: frozen });
    });

    rooted(`${handoff}: who is frozen by ${name} is stopped when max_frozen is over`, async () => {
      await using rig = await startFreezing({
        handoff,
        launcher,
        words: ["polite"],
        keys: 'max_frozen = "2s"',
      });
      const port = await rig.port("it");
      const pid = await call(port);
      await rig.event("handler.frozen");
      await upgrade(rig);
      expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: "max_frozen" });
      expect(await rig.event("handler.exited")).toMatchObject({ pid, code: 5 });
      expect(await call(port)).not.toBe(pid);
    });
  }
}

test("listen: another worker is started for who waits, and no more than may run", async () => {
  await using rig = await startAcceptor({
    handoff: "listen",
    listen: "127.0.0.1:0",
    keys: "workers = { max = 2 }",
  });
  const port = await rig.port("it");
  await using one = await connect(port);
  const first = await one.command("pid");
  await upgrade(rig);
  // Each worker serves one client at a time.
  await using two = await connect(port);
  expect(await two.command("pid")).not.toBe(first);
  await using three = await connect(port);
  const served = three.command("pid");
  one.end();
  expect(await served).toBe(first);
  expect(await starts(rig)).toBe(2);
});

test("listen: those that are kept are there, and are started anew", async () => {
  await using rig = await startAcceptor({
    handoff: "listen",
    listen: "127.0.0.1:0",
    keys: "workers = { min = 2, max = 2 }",
  });
  const first = await rig.event("handler.started");
  const second = await rig.event("handler.started", {}, { after: first });
  await upgrade(rig);
  expect((await statusOf(rig)).handlers.map(({ pid }) => pid).sort()).toEqual([first.pid, second.pid].sort());
  process.kill(first.pid, "SIGKILL");
  const third = await rig.event("handler.started", {}, { after: second });
  expect([first.pid, second.pid]).not.toContain(third.pid);
  expect((await statusOf(rig)).spawned).toBe(3);
});

/** A worker that goes on when it is told to stop, for a second. */
function startStubborn(handoff: "listen" | "wait"): Promise<Rig> {
  return startDaemon(({ directory }) => {
    const copy = join(directory, "daemon.py");
    copyFileSync(fileURLToPath(new URL("stubborn.py", import.meta.url)), copy);
    return `
[services.it]
listen       = "127.0.0.1:0"
handoff      = "${handoff}"
command      = ["/usr/bin/python3", "-S", "-E", "${copy}"]
idle_timeout = "200ms"
stop_timeout = "2s"
`;
  });
}
