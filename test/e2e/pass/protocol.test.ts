/** What every worker of `pass` can rely on, whichever of the two protocols it speaks. */
import { describe, expect, test } from "vitest";
import { descriptorsAreBack, statusOf } from "../core/tools.ts";
import { type Client, connect } from "../rig/client.ts";
import { connectServed, halt, kinds, leave, served, startPass } from "./tools.ts";

const names = Object.keys(kinds) as (keyof typeof kinds)[];

describe.each(names)("%s", (kind) => {
  test("gets each connection with what is known of it, and its end is known", async () => {
    await using rig = await startPass({ kind });
    const port = await rig.port("pass");
    const first = await connectServed(port);
    const second = await connectServed(port);
    expect(second.pid).toBe(first.pid);
    expect(first.info).toEqual({
      v: 1,
      id: expect.any(Number),
      service: "pass",
      listener: "pass",
      remote: { family: "inet", address: "127.0.0.1", port: first.client.socket.localPort },
      local: { family: "inet", address: "127.0.0.1", port },
    });
    expect(second.info.id).not.toBe(first.info.id);
    expect(await first.client.command("echo some words")).toBe("some words");
    expect(await statusOf(rig)).toMatchObject({
      state: "active",
      connections: 2,
      accepted: 2,
      spawned: 1,
      handlers: [{ pid: first.pid, state: "ready", connections: 2 }],
    });

    const bytes = {
      bytes_in: first.client.socket.bytesWritten,
      bytes_out: first.client.socket.bytesRead,
    };
    await leave(first);
    const closed = await rig.event("connection.closed", { connection: first.info.id });
    expect(closed).toMatchObject({ pid: first.pid, ...bytes });
    expect(closed).not.toHaveProperty("error");
    second.client.reset();
    await rig.event("connection.closed", { connection: second.info.id });
    expect(await statusOf(rig)).toMatchObject({
      connections: 0,
      handlers: [{ pid: first.pid, state: "idle", connections: 0 }],
    });
  });

  test("gets credentials with a Unix connection", async () => {
    await using rig = await startPass({ kind, listen: "unix" });
    const path = `${rig.directory}/pass.sock`;
    const client = await connectServed(path);
    expect(client.info).toEqual({
      v: 1,
      id: expect.any(Number),
      service: "pass",
      listener: "pass",
      remote: { family: "unix", path: null },
      local: { family: "unix", path },
      credentials: { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() },
    });
    await leave(client);
    const closed = await rig.event("connection.closed", { connection: client.info.id });
    expect(closed).not.toHaveProperty("error");
  });

  test("that dies before it has received its connections loses none of them", async () => {
    const clients = 80; // More than either channel takes at once.
    await using rig = await startPass({ kind });
    const port = await rig.port("pass");
    const first = await connectServed(port);
    await leave(first);
    await rig.event("connection.closed", { connection: first.info.id });
    const before = rig.descriptors();
    const { pid } = await rig.event("handler.started");
    await halt(pid);
    const waiting: Client[] = [];
    for (let n = 0; n < clients; n++) waiting.push(await connect(port));
    await rig.event("connection.accepted", ({ connection }) => connection >= 20);
    process.kill(pid, "SIGKILL");
    const all = await Promise.all(waiting.map(served));
    expect(new Set(all.map((one) => one.pid)).size).toBe(1);
    expect(all[0]?.pid).not.toBe(pid);
    // Each its own: what it says comes back to it, and to nobody else.
    for (const [index, { client }] of all.entries())
      expect(await client.command(`echo ${index}`)).toBe(`${index}`);
    for (const { client, info } of all) {
      expect(info.remote).toMatchObject({ port: client.socket.localPort });
    }
    await Promise.all(all.map(leave));
    for (const { info } of all) {
      expect(await rig.event("connection.closed", { connection: info.id })).not.toHaveProperty("error");
    }
    expect(await statusOf(rig)).toMatchObject({
      connections: 0,
      accepted: clients + 1,
      spawned: 2,
      refused: {},
    });
    await descriptorsAreBack(rig, before);
  });

  test("that dies with connections loses those alone, and that is reported", async () => {
    await using rig = await startPass({ kind });
    const port = await rig.port("pass");
    const [one, other] = [await connectServed(port), await connectServed(port)];
    one.client.write("exit 3\n");
    expect(await rig.event("handler.exited")).toMatchObject({ pid: one.pid, code: 3 });
    for (const { info } of [one, other]) {
      const closed = await rig.event("connection.closed", { connection: info.id });
      expect(closed).toMatchObject({ pid: one.pid, error: "its worker ended" });
    }
    const next = await connectServed(port);
    expect(next.pid).not.toBe(one.pid);
    await leave(next);
  });

  test("leaves nothing behind in the daemon", async () => {
    await using rig = await startPass({ kind });
    const port = await rig.port("pass");
    const open = await connectServed(port);
    // Once this one is over, tinetd has closed its copy of the one before it, too.
    const second = await connectServed(port);
    await leave(second);
    await rig.event("connection.closed", { connection: second.info.id });
    const before = rig.descriptors();
    for (let n = 0; n < 50; n++) await leave(await connectServed(port));
    await descriptorsAreBack(rig, before);
    await leave(open);
    expect(await rig.stop()).toEqual({ code: 0, signal: null });
  });
});
