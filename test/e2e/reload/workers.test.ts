/** Reload where workers run: `replace`, what becomes of connections, and a new generation that is no good. */
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { call } from "../control/tools.ts";
import { statusOf } from "../core/tools.ts";
import { connect } from "../rig/client.ts";
import { isAlive } from "../rig/proc.ts";
import { listenerInode } from "./inode.ts";
import { startReloadable } from "./tools.ts";

const listening = (acceptor: string, keys = "") =>
  `[services.it]\nlisten = "127.0.0.1:0"\nhandoff = "listen"\ncommand = "${acceptor}"\n${keys}\n`;

test("stop-first at the path of a Unix socket: who knocks meanwhile waits there for the next worker", async () => {
  const text = (directory: string, acceptor: string, keys: string) =>
    listening(acceptor, keys).replace("127.0.0.1:0", `unix:${directory}/it.sock`);
  const { rig, reload, place } = await startReloadable(({ directory, acceptor }) =>
    text(directory, acceptor, ""),
  );
  await using _ = rig;
  const path = join(place.directory, "it.sock");
  await using inside = await connect(path);
  const old = Number(await inside.command("pid"));
  const reloading = reload(text(place.directory, place.acceptor, 'environment = { GENERATION = "2" }'));
  // Answered after the reload has begun: from now on nobody comes to the old worker.
  await rig.status();
  await using next = await connect(path);
  const answer = next.command("pid");
  expect(Number(await inside.command("pid"))).toBe(old);
  inside.end();
  expect(await reloading).toMatchObject({ changed: [{ workers: "replaced", failure: null }], ended: 0 });
  expect(Number(await answer)).not.toBe(old);
});

test("stop-first: the worker goes when nobody is with it, and who knocks meanwhile gets the next", async () => {
  const { rig, reload, place } = await startReloadable(({ acceptor }) => listening(acceptor));
  await using _ = rig;
  const port = await rig.port("it");
  const inode = listenerInode(port);
  await using inside = await connect(port);
  const old = Number(await inside.command("pid"));
  const reloading = reload(listening(place.acceptor, 'environment = { GENERATION = "2" }'));
  inside.end();
  const plan = await reloading;
  expect(plan).toMatchObject({ changed: [{ workers: "replaced", failure: null }], ended: 0 });
  expect(isAlive(old)).toBe(false);
  expect(listenerInode(port)).toBe(inode);
  await using next = await connect(port);
  expect(Number(await next.command("pid"))).not.toBe(old);
});

test("stop-first: a connection that does not end is ended after drain_timeout, and counted", async () => {
  const keys = 'drain_timeout = "300ms"';
  const { rig, reload, place } = await startReloadable(({ acceptor }) => listening(acceptor, keys));
  await using _ = rig;
  await using client = await connect(await rig.port("it"));
  await client.command("pid");
  const plan = await reload(listening(place.acceptor, `${keys}\numask = "077"`));
  expect(plan).toMatchObject({ ended: 1, changed: [{ workers: "replaced" }] });
  expect((await client.rest()).toString()).toBe("");
});

const passing = (directory: string, word: string, keys = "") =>
  `[services.it]\nlisten = "127.0.0.1:0"\nhandoff = "pass"\ncommand = ["/usr/bin/python3", "${directory}/worker.py", "${word}"]\n${keys}\n`;

/** Says its word to each client, then echoes lines; with "broken" it ends before it is ready. */
const worker = `
import json, os, select, socket, sys
if sys.argv[1] == "broken":
    sys.exit(3)
channel = socket.socket(fileno=int(os.environ["TINETD_CHANNEL"]))
channel.send(b'{"ready":true}')
clients = {}
open_ = True
while open_ or clients:
    ready, _, _ = select.select(([channel] if open_ else []) + list(clients), [], [])
    for one in ready:
        if one is channel:
            data, fds, _, _ = socket.recv_fds(channel, 4096, 1)
            if not data:
                open_ = False
                continue
            client = socket.socket(fileno=fds[0])
            client.setblocking(True)
            client.send(sys.argv[1].encode() + b"\\n")
            clients[client] = json.loads(data)["id"]
        else:
            data = one.recv(4096)
            if data:
                one.send(data)
            else:
                number = clients.pop(one)
                one.close()
                if open_:
                    channel.send(json.dumps({"done": number}).encode())
`;

test("overlap: the next generation takes over when it is ready, and the old one finishes what it has", async () => {
  const keys = 'ready = "notify"';
  const { rig, reload, place } = await startReloadable(({ directory }) => {
    writeFileSync(join(directory, "worker.py"), worker);
    return passing(directory, "first", keys);
  });
  await using _ = rig;
  const port = await rig.port("it");
  await using inside = await connect(port);
  expect(await inside.line()).toBe("first");
  const reloading = reload(passing(place.directory, "second", keys));
  await rig.event("handler.ready", ({ pid }) => pid !== firstPid(rig.events));
  let word = "first";
  while (word === "first") {
    await using client = await connect(port);
    word = await client.line();
  }
  expect(word).toBe("second");
  expect(await inside.command("still here")).toBe("still here");
  inside.end();
  expect(await reloading).toMatchObject({ ended: 0, changed: [{ workers: "replaced", failure: null }] });
});

test("overlap: a generation that is no good does not take over, and the reload says so", async () => {
  const keys = 'ready = "notify"';
  const { rig, reload, place } = await startReloadable(({ directory }) => {
    writeFileSync(join(directory, "worker.py"), worker);
    return passing(directory, "first", keys);
  });
  await using _ = rig;
  const port = await rig.port("it");
  await using inside = await connect(port);
  expect(await inside.line()).toBe("first");
  const plan = await reload(passing(place.directory, "broken", keys));
  expect(plan.changed).toMatchObject([
    { workers: "kept", failure: expect.stringContaining("ended before it was ready") },
  ]);
  await using next = await connect(port);
  expect(await next.line()).toBe("first");
  expect(await inside.command("still here")).toBe("still here");
  expect(await statusOf(rig)).toMatchObject({ state: "active", failure: null });
});

function firstPid(events: readonly { event: string; pid?: unknown }[]): unknown {
  return events.find(({ event }) => event === "handler.started")?.pid;
}

test("a Unix socket that comes to listen stays, and the log warns that it has no second one until it is started anew", async () => {
  const text = (
    { directory, acceptor }: { directory: string; acceptor: string },
    handoff: string,
    keys = "",
  ) =>
    `[services.it]\nlisten = "unix:${directory}/x.sock"\ncommand = "${acceptor}"\nhandoff = "${handoff}"\n${keys}\n`;
  const { rig, reload, place } = await startReloadable((made) => text(made, "stdio"));
  await using _ = rig;
  const bound = await rig.event("service.listening");
  const inode = statSync(`${place.directory}/x.sock`).ino;
  await reload(text(place, "listen"));
  const warned = await rig.event("service.listening", {}, { after: bound });
  expect(warned).toMatchObject({ level: "warn", warning: expect.stringContaining("started anew") });
  expect(statSync(`${place.directory}/x.sock`).ino).toBe(inode);
  await reload(text(place, "listen", 'umask = "077"'));
  await call(rig, "POST", "/v1/services/it/restart");
  const anew = await rig.event("service.listening", {}, { after: warned });
  expect(anew).toMatchObject({ level: "info" });
  expect(anew).not.toHaveProperty("warning");
});
