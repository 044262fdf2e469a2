/** Handlers over an upgrade: how they end, whom a stop reaches, what they say, and what they have left behind. */
import { readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { on } from "../cli/tools.ts";
import { statusOf } from "../core/tools.ts";
import { isFrozen, startFreezing, visit } from "../frozen/tools.ts";
import { cgroupMount, cgroupOf, mechanisms } from "../process/mechanisms.ts";
import { type Client, connect, readAll } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import type { Logged } from "../rig/event-log.ts";
import { needs } from "../rig/needs.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";
import { upgrade } from "./tools.ts";

const broodService = (brood: string, keys: string) => `
[services.brood]
listen  = "127.0.0.1:0"
command = "${brood}"
${keys}
`;

function startBrood(keys: string): Promise<Rig> {
  return startDaemon(({ fixture }) => broodService(fixture("brood"), keys));
}

async function startOne(client: Client, kind: string): Promise<number> {
  const pid = Number(await client.command(kind));
  onTestFinished(() => {
    if (isAlive(pid)) process.kill(pid, "SIGKILL");
  });
  return pid;
}

test("each is told with its own status, also those that end meanwhile, and no orphan is left", async () => {
  await using rig = await startBrood('kill_mode = "process"');
  const port = await rig.port("brood");
  const upgrades = (async () => {
    for (let n = 0; n < 3; n++) await upgrade(rig);
  })();
  let over = false;
  void upgrades.finally(() => {
    over = true;
  });
  let count = 0;
  const clients = Array.from({ length: 4 }, async () => {
    for (let n = 0; n < 10 || !over; n++) {
      await using client = await connect(port);
      expect(await client.command("brief 2")).toBe("done");
      count += 1;
      client.write("exit 7\n");
      await client.rest();
    }
  });
  await Promise.all([upgrades, ...clients]);
  let last: Logged<"connection.closed"> | undefined;
  for (let n = 0; n < count; n++) {
    last = await rig.event("connection.closed", {}, last === undefined ? {} : { after: last });
    expect(last).toMatchObject({ code: 7, signal: null });
  }
  await eventually("no zombie is left", () => rig.descendants().length === 0);
  expect(await statusOf(rig)).toMatchObject({ accepted: count, connections: 0, handlers: [] });
  expect(rig.otherLines).toEqual([]);
});

test("group: what a handler has left goes with its service, after the upgrade as well", async () => {
  await using rig = await startBrood('kill_mode = "group"\nstop_timeout = "50ms"');
  await using client = await connect(await rig.port("brood"));
  const polite = await startOne(client, "child");
  await client.command("ignore");
  const stubborn = await startOne(client, "child");
  const { pid } = await rig.event("handler.started");
  client.write("exit 0\n");
  await rig.event("connection.closed", { code: 0 });
  await upgrade(rig);
  expect([polite, stubborn].filter(isAlive)).toEqual([polite, stubborn]);
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  expect([polite, stubborn].filter(isAlive)).toEqual([]);
  expect(await rig.event("handler.stopping", { pid })).toMatchObject({ signal: "SIGTERM" });
});

test("a handler that is being stopped is, and killed at stop_timeout at the latest", async () => {
  await using rig = await startBrood('kill_mode = "group"\nstop_timeout = "1500ms"');
  await using client = await connect(await rig.port("brood"));
  await client.command("ignore");
  const child = await startOne(client, "child");
  const stopped = on(rig, ["stop", "brood"]);
  const { pid } = await rig.event("handler.stopping");
  await upgrade(rig);
  await rig.event("handler.exited", { pid, signal: "SIGKILL" });
  await stopped;
  await eventually("both are gone", () => ![pid, child].some(isAlive));
  await eventually("the service has stopped", () => rig.descendants().length === 0);
  expect((await statusOf(rig)).state).toBe("stopped");
});

test("one that has ended already, and has left somebody who is to go with it, is told once", async () => {
  await using rig = await startBrood('kill_mode = "group"\nstop_timeout = "3s"');
  await using client = await connect(await rig.port("brood"));
  await client.command("ignore");
  const child = await startOne(client, "child");
  const stopped = on(rig, ["stop", "brood"]);
  const { pid } = await rig.event("handler.stopping");
  process.kill(pid, "SIGKILL");
  await rig.event("handler.exited", { pid });
  await upgrade(rig);
  await upgrade(rig);
  await rig.event("connection.closed", { pid });
  await stopped;
  expect(isAlive(child)).toBe(false);
  expect(await statusOf(rig)).toMatchObject({ state: "stopped", connections: 0, handlers: [] });
  await rig.stop();
  const told = rig.events.filter(({ event }) => event === "handler.exited" || event === "connection.closed");
  expect(told.map(({ event }) => event)).toEqual(["handler.exited", "connection.closed"]);
});

describe.each(mechanisms)("tree, by $name", ({ name, needs: needed, start, launcher }) => {
  const rooted = needs(...needed);

  rooted("a stop reaches all, wherever they are", async () => {
    await using rig = await start((brood) => broodService(brood, 'kill_mode = "tree"'));
    const port = await rig.port("brood");
    await using client = await connect(port);
    const pids: number[] = [];
    for (const kind of ["child", "group", "session", "daemon"]) pids.push(await startOne(client, kind));
    await upgrade(rig);
    await using other = await connect(port);
    pids.push(await startOne(other, "daemon"));
    expect(pids.filter(isAlive)).toEqual(pids);
    expect(await client.command("child")).toMatch(/^\d+$/);

    const { pid } = await rig.event("handler.started");
    const place = name === "cgroup" ? placeOf(pid) : null;
    expect(await rig.stop()).toEqual({ code: 0, signal: null });
    await eventually("all are gone", () => !pids.some(isAlive));
    if (place !== null) expect(readdirSync(dirname(place))).not.toContain(basename(place));
  });

  rooted("a handler that ends by itself takes all with it", async () => {
    await using rig = await start((brood) => broodService(brood, 'kill_mode = "tree"'));
    await using client = await connect(await rig.port("brood"));
    const pids = [await startOne(client, "session"), await startOne(client, "daemon")];
    await upgrade(rig);
    client.write("exit 7\n");
    expect((await client.rest()).toString()).toBe("");
    expect(await rig.event("connection.closed")).toMatchObject({ code: 7, signal: null });
    await eventually("all are gone", () => !pids.some(isAlive));
  });

  rooted(
    "a frozen worker stays frozen with all that it has started, and the next client wakes it",
    async () => {
      await using rig = await startFreezing({ launcher });
      const port = await rig.port("it");
      const { client, pid } = await visit(port);
      const child = Number(await client.command("child"));
      await client[Symbol.asyncDispose]();
      await rig.event("handler.frozen");
      await upgrade(rig);
      expect([pid, child].map(isFrozen)).toEqual([true, true]);
      expect((await statusOf(rig)).handlers).toMatchObject([{ pid, state: "frozen" }]);
      const again = await visit(port);
      expect(again.pid).toBe(pid);
      expect(await rig.event("handler.thawed")).toMatchObject({ pid });
      expect([pid, child].map(isFrozen)).toEqual([false, false]);
      await again.client[Symbol.asyncDispose]();
      expect(await rig.stop()).toEqual({ code: 0, signal: null });
      expect([pid, child].filter(isAlive)).toEqual([]);
    },
  );
});

test("the half of a line that a handler has written is joined by the other half", async () => {
  await using rig = await startDaemon(`
[services.talk]
listen  = "127.0.0.1:0"
stderr  = "log"
command = ["/bin/sh", "-c", 'read go; printf one >&2; echo said; read go; echo half >&2; echo said']
`);
  await using client = await connect(await rig.port("talk"));
  expect(await client.command("go")).toBe("said");
  await upgrade(rig);
  expect(await client.command("go")).toBe("said");
  const { pid } = await rig.event("handler.started");
  expect(await rig.event("handler.stderr")).toMatchObject({ pid, text: "onehalf" });
});

/** Says that it is ready once a file is there, and not before. */
const late = `
import os, socket, sys, time
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
if "NOTIFY_SOCKET" in os.environ:
    socket.socket(1, 2).sendto(b"READY=1", "\\0" + os.environ["NOTIFY_SOCKET"][1:])
elif "TINETD_READY_FD" in os.environ: os.write(int(os.environ["TINETD_READY_FD"]), b"\\n")
else: print("ready", file=sys.stderr, flush=True)
listener = socket.socket(fileno=3)
while True:
    connection = listener.accept()[0]
    connection.sendall(b"%d" % os.getpid())
    connection.close()
`;

test.each(['"notify"', '"fd"', '{ log = "^ready" }'])(
  "a worker that was not ready yet is when it says so: %s",
  async (how) => {
    await using rig = await startDaemon(({ directory }) => {
      writeFileSync(join(directory, "late.py"), late);
      return `
[services.late]
listen  = "127.0.0.1:0"
handoff = "listen"
ready   = ${how}
stderr  = "log"
command = ["/usr/bin/python3", "${join(directory, "late.py")}", "${join(directory, "go")}"]
`;
    });
    const served = readAll(await rig.port("late"));
    const { pid } = await rig.event("handler.started");
    await upgrade(rig);
    expect((await statusOf(rig)).handlers).toMatchObject([{ pid, state: "starting" }]);
    writeFileSync(join(rig.directory, "go"), "");
    expect(await served).toBe(`${pid}`);
    expect(await rig.event("handler.ready")).toMatchObject({ pid });
  },
);

/** The place of the daemon's cgroups, which has that of the handler in it. */
function placeOf(handler: number): string {
  return dirname(join(cgroupMount() ?? "", cgroupOf(handler) ?? ""));
}
