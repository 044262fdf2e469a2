/** `kill_mode = "tree"`, by a cgroup and without one: nothing that descends from a handler outlives it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type Client, connect } from "../rig/client.ts";
import { needs } from "../rig/needs.ts";
import { eventually, isAlive } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";
import { cgroupMount, cgroupOf, mechanisms } from "./mechanisms.ts";

const service = (brood: string, more = "") => `
[services.tree]
listen       = "127.0.0.1:0"
command      = "${brood}"
kill_mode    = "tree"
${more}
`;

/** One of every kind that both mechanisms know. */
async function startAll(client: Client): Promise<number[]> {
  const pids: number[] = [];
  for (const kind of ["child", "group", "session", "daemon"]) pids.push(Number(await client.command(kind)));
  return pids;
}

/** A process that ends lets go of the connection first: that the client sees its end is a little too early. */
function areGone(pids: readonly number[]): Promise<void> {
  return eventually("all are gone", () => !pids.some(isAlive));
}

async function handlerOf(rig: Rig, after?: Parameters<Rig["event"]>[2]): Promise<number> {
  return (await rig.event("handler.started", {}, after)).pid;
}

describe.each(mechanisms)("by $name", ({ name, needs: needed, start }) => {
  const test = needs(...needed);

  test("a stop reaches all, wherever they are", async () => {
    await using rig = await start((brood) => service(brood));
    await using client = await connect(await rig.port("tree"));
    const pids = await startAll(client);
    const handler = await handlerOf(rig);
    expect(pids.filter(isAlive)).toEqual(pids);
    expect(new Set(pids.map(cgroupOf))).toEqual(new Set([cgroupOf(handler)]));
    expect(cgroupOf(handler) === cgroupOf(rig.pid)).toBe(name === "descent");

    expect(await rig.stop()).toEqual({ code: 0, signal: null });
    expect((await client.rest()).toString()).toBe("");
    await areGone(pids);
    expect(rig.events.filter(({ event }) => event === "handler.stopping")).toHaveLength(1);
    expect(await rig.event("handler.exited")).toMatchObject({ signal: "SIGTERM" });
  });

  test("a handler that ends by itself takes all with it, and only its own", async () => {
    await using rig = await start((brood) => service(brood));
    const port = await rig.port("tree");
    await using other = await connect(port);
    const others = await startAll(other);
    await using client = await connect(port);
    await startAll(client);
    const pid = await handlerOf(rig, { after: await rig.event("handler.started") });

    client.write("exit 7\n");
    expect((await client.rest()).toString()).toBe("");
    expect(await rig.event("connection.closed", { pid })).toMatchObject({ code: 7, signal: null });
    expect(await rig.event("handler.stopping", { pid })).toMatchObject({ signal: "SIGTERM" });
    expect(await other.command("child")).toMatch(/^\d+$/);
    expect(others.filter(isAlive)).toEqual(others);
  });

  test("SIGTERM that is ignored is followed by SIGKILL", async () => {
    await using rig = await start((brood) => service(brood, 'stop_timeout = "50ms"'));
    const port = await rig.port("tree");
    await using client = await connect(port);
    await client.command("ignore");
    const pids = await startAll(client);
    client.write("exit 0\n");
    await client.rest();
    await areGone(pids);

    await using second = await connect(port);
    await second.command("ignore");
    await startAll(second);
    await rig.stop();
    await second.rest();
    const [, exited] = rig.events.filter(({ event }) => event === "handler.exited");
    expect(exited).toMatchObject({ code: null, signal: "SIGKILL" });
  });

  test("programs that fork while they are killed", async () => {
    await using rig = await start((brood) => service(brood, "stop_timeout = 0"));
    const port = await rig.port("tree");
    await using client = await connect(port);
    await client.command("ignore");
    for (let chain = 0; chain < 4; chain++) await client.command("chain 20000");
    client.write("exit 3\n");
    await client.rest();
    await rig.event("connection.closed", { code: 3 });

    await using second = await connect(port);
    await second.command("ignore");
    for (let chain = 0; chain < 4; chain++) await second.command("chain 20000");
    await rig.stop();
    await second.rest();
  });

  test("a process that is stopped is woken to end", async () => {
    await using rig = await start((brood) => service(brood, 'stop_timeout = "off"'));
    await using client = await connect(await rig.port("tree"));
    for (const pid of await startAll(client)) process.kill(pid, "SIGSTOP");
    client.write("exit 0\n");
    await client.rest();
    await rig.event("connection.closed");
  });

  test("of several workers each takes its own", async () => {
    await using rig = await start((brood) =>
      service(brood, 'handoff = "listen"\nworkers = { max = 2 }\nstop_timeout = "50ms"'),
    );
    const port = await rig.port("tree");
    await using elder = await connect(port);
    const before = await startAll(elder);
    await using younger = await connect(port);
    await startAll(younger);
    const laterDaemon = Number(await elder.command("daemon"));

    younger.write("exit 1\n");
    const { pid } = await rig.event("handler.exited", { code: 1 });
    await younger.rest();
    await eventually("the worker is gone", () => !rig.descendants().includes(pid));
    expect([...before, laterDaemon].filter(isAlive)).toEqual([...before, laterDaemon]);

    elder.write("exit 2\n");
    await elder.rest();
  });
});

describe("by cgroup", () => {
  const test = needs(...(mechanisms.find(({ name }) => name === "cgroup")?.needs ?? []));
  const start = mechanisms[0]?.start ?? (() => Promise.reject(new Error("no mechanism")));
  const directory = (name: string | undefined) => join(cgroupMount() ?? "", name ?? "");

  test("also a daemon that says nothing about where it came from", async () => {
    await using rig = await start((brood) => service(brood));
    await using client = await connect(await rig.port("tree"));
    await client.command("nameless");
    client.write("exit 0\n");
    await client.rest();
    await rig.event("connection.closed");
  });

  test("a handler's is removed with it, the daemon's with the daemon", async () => {
    await using rig = await start((brood) => service(brood));
    await using client = await connect(await rig.port("tree"));
    await client.command("child");
    const cgroup = directory(cgroupOf(await handlerOf(rig)));
    expect(existsSync(cgroup)).toBe(true);
    client.write("exit 0\n");
    await rig.event("connection.closed");
    expect(existsSync(cgroup)).toBe(false);
    expect(existsSync(join(cgroup, ".."))).toBe(true);
    await rig.stop();
    expect(existsSync(join(cgroup, ".."))).toBe(false);
  });

  test("what a daemon that was killed has left is removed by the next, once it is empty", async () => {
    await using killed = await start((brood) => service(brood));
    await using client = await connect(await killed.port("tree"));
    const pid = await handlerOf(killed);
    const place = join(directory(cgroupOf(pid)), "..");
    killed.signal("SIGKILL");
    await killed.exited;

    await using living = await start((brood) => service(brood));
    await using first = await connect(await living.port("tree"));
    const livingPlace = join(directory(cgroupOf(await handlerOf(living))), "..");
    // Its handler goes on, and nobody touches it.
    expect([isAlive(pid), existsSync(place), existsSync(livingPlace)]).toEqual([true, true, true]);

    client.end();
    await client.rest();
    await eventually("the handler is gone", () => !isAlive(pid));
    await using next = await start((brood) => service(brood));
    await using last = await connect(await next.port("tree"));
    expect(await last.command("child")).toMatch(/^\d+$/);
    expect([existsSync(place), existsSync(livingPlace)]).toEqual([false, true]);
    expect(await first.command("child")).toMatch(/^\d+$/);
  });
});
