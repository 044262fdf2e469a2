/** `kill_mode` "group" and "process": who goes with a handler, when, and who lives on. */
import { expect, onTestFinished, test } from "vitest";
import { type Client, connect } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";

function start(killMode: "group" | "process", more = ""): Promise<Rig> {
  return startDaemon(
    ({ fixture }) => `
[services.brood]
listen    = "127.0.0.1:0"
command   = "${fixture("brood")}"
kill_mode = "${killMode}"
${more}
`,
  );
}

/** Starts a process of that kind, which does not outlive the test. */
async function startOne(client: Client, kind: string): Promise<number> {
  const pid = Number(await client.command(kind));
  onTestFinished(() => {
    if (isAlive(pid)) process.kill(pid, "SIGKILL");
  });
  return pid;
}

test("group: a stop reaches the group, and nobody outside of it", async () => {
  await using rig = await start("group");
  await using client = await connect(await rig.port("brood"));
  const child = await startOne(client, "child");
  const others = [await startOne(client, "group"), await startOne(client, "session")];
  const { pid } = await rig.event("handler.started");
  await rig.stop();
  await rig.event("handler.exited", { pid, signal: "SIGTERM" });
  expect(isAlive(child)).toBe(false);
  expect(others.filter(isAlive)).toEqual(others);
});

test("group: what ignores the signal is killed, also when the handler itself has ended", async () => {
  await using rig = await start("group", 'stop_timeout = "50ms"');
  await using client = await connect(await rig.port("brood"));
  await client.command("ignore");
  const child = await startOne(client, "child");
  const { pid } = await rig.event("handler.started");
  process.kill(pid, "SIGSTOP");
  await rig.stop();
  await client.rest();
  await eventually("both are gone", () => ![pid, child].some(isAlive));
});

test("group: it lives on when the handler ends by itself, and goes when the service is stopped", async () => {
  await using rig = await start("group", 'stop_timeout = "50ms"');
  await using client = await connect(await rig.port("brood"));
  const polite = await startOne(client, "child");
  await client.command("ignore");
  const stubborn = await startOne(client, "child");
  const apart = await startOne(client, "daemon");
  const { pid } = await rig.event("handler.started");
  client.write("exit 0\n");
  await rig.event("connection.closed", { code: 0 });
  expect([polite, stubborn, apart].filter(isAlive)).toEqual([polite, stubborn, apart]);
  expect((await rig.status()).services[0]?.handlers).toEqual([]);

  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  expect([polite, stubborn, apart].filter(isAlive)).toEqual([apart]);
  expect(await rig.event("handler.stopping", { pid })).toMatchObject({ signal: "SIGTERM" });
});

test("process: a stop reaches the handler alone", async () => {
  await using rig = await start("process");
  await using client = await connect(await rig.port("brood"));
  const children = [await startOne(client, "child"), await startOne(client, "daemon")];
  const { pid } = await rig.event("handler.started");
  await rig.stop();
  await rig.event("handler.exited", { pid, signal: "SIGTERM" });
  expect(children.filter(isAlive)).toEqual(children);
  for (const child of children) process.kill(child, "SIGKILL");
  expect((await client.rest()).toString()).toBe("");
  await eventually("they are gone", () => !children.some(isAlive));
});
