/** Reload of keys that say what is to become of workers: those that run stay, and the new values count for them. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { call } from "../control/tools.ts";
import { type Client, connect } from "../rig/client.ts";
import { type Reloadable, startReloadable } from "./tools.ts";

const daemon = fileURLToPath(new URL("../proxy/workers/daemon.py", import.meta.url));

interface Running extends Reloadable {
  port: number;
  /** Reloads the service with these keys instead of the first ones. */
  change(keys: string): ReturnType<Reloadable["reload"]>;
}

/** A service `it` of that handoff, whose handlers answer "pid" with theirs. */
async function startService(handoff: string, keys: string): Promise<Running> {
  const configuration = (place: { directory: string; acceptor: string }, own: string) => {
    const upstream = `${place.directory}/run/daemon.sock`;
    const command =
      handoff === "proxy"
        ? ["/usr/bin/python3", "-S", "-E", join(place.directory, "daemon.py"), upstream]
        : [place.acceptor];
    const further =
      handoff === "proxy"
        ? `upstream = "unix:${upstream}"\nruntime_directory = "${place.directory}/run"`
        : "";
    return `[services.it]\nlisten = "127.0.0.1:0"\nhandoff = "${handoff}"\ncommand = ${JSON.stringify(command)}\n${further}\n${own}\n`;
  };
  const started = await startReloadable((place) => {
    copyFileSync(daemon, join(place.directory, "daemon.py"));
    return configuration(place, keys);
  });
  return {
    ...started,
    port: await started.rig.port("it"),
    change: (own) => started.reload(configuration(started.place, own)),
  };
}

async function visit(port: number): Promise<{ client: Client; pid: number }> {
  const client = await connect(port);
  return { client, pid: Number(await client.command("pid")) };
}

const kept = (keys: string[]) => ({ changed: [{ keys, workers: "kept", failure: null }] });

const handoffs = ["wait", "listen", "pass", "proxy"];

test.each(handoffs)("%s: idle_timeout for a worker with a client, who is not disturbed", async (handoff) => {
  const { rig, port, change } = await startService(handoff, 'idle_timeout = "1h"');
  await using _ = rig;
  const { client, pid } = await visit(port);
  expect(await change('idle_timeout = "200ms"')).toMatchObject(kept(["idle_timeout"]));
  expect(Number(await client.command("pid"))).toBe(pid);
  client.end();
  await client.rest();
  const stopping = await rig.event("handler.stopping");
  expect(stopping).toMatchObject({ pid, reason: expect.stringContaining("idle") });
  expect(rig.startsBefore(stopping)).toBe(1);
});

test.each(handoffs)("%s: idle_timeout for a worker that rests already", async (handoff) => {
  const { rig, port, change } = await startService(handoff, 'idle_timeout = "off"');
  await using _ = rig;
  const { client, pid } = await visit(port);
  client.end();
  await client.rest();
  expect(await change('idle_timeout = "200ms"')).toMatchObject(kept(["idle_timeout"]));
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: expect.stringContaining("idle") });
});

test("stdio: a shorter idle_timeout for a connection that is open", async () => {
  const { rig, reload, place } = await startReloadable(
    ({ handler }) => `[services.it]\nlisten = "127.0.0.1:0"\ncommand = "${handler}"\nidle_timeout = "1h"\n`,
  );
  await using _ = rig;
  await using client = await connect(await rig.port("it"));
  await client.command("echo in");
  const { pid } = await rig.event("handler.started");
  await reload(
    `[services.it]\nlisten = "127.0.0.1:0"\ncommand = "${place.handler}"\nidle_timeout = "300ms"\n`,
  );
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, reason: "idle_timeout" });
});

test.each(handoffs)("%s: on_idle, for a worker that is to be frozen now", async (handoff) => {
  const { rig, port, change } = await startService(handoff, 'idle_timeout = "1h"');
  await using _ = rig;
  const { client, pid } = await visit(port);
  client.end();
  await client.rest();
  const keys = 'idle_timeout = "200ms"\non_idle = "freeze"';
  expect(await change(keys)).toMatchObject(kept(["idle_timeout", "on_idle"]));
  expect(await rig.event("handler.frozen")).toMatchObject({ pid });
  const { client: next, pid: thawed } = await visit(port);
  await using __ = next;
  expect(thawed).toBe(pid);
});

test("the signal and the patience of a stop are those of the moment in which it comes", async () => {
  const deaf = ["/bin/sh", "-c", "trap '' USR1; echo there; cat"];
  const text = (keys: string) =>
    `[services.it]\nlisten = "127.0.0.1:0"\ncommand = ${JSON.stringify(deaf)}\n${keys}\n`;
  const { rig, reload } = await startReloadable(() => text('stop_timeout = "1h"'));
  await using _ = rig;
  await using client = await connect(await rig.port("it"));
  expect(await client.line()).toBe("there");
  expect(await reload(text('stop_signal = "SIGUSR1"\nstop_timeout = "100ms"'))).toMatchObject(
    kept(["stop_signal", "stop_timeout"]),
  );
  await call(rig, "POST", "/v1/services/it/stop");
  const { pid } = await rig.event("handler.stopping", { signal: "SIGUSR1" });
  expect(await rig.event("handler.exited")).toMatchObject({ pid, signal: "SIGKILL" });
});

test("workers.min: the one that runs stays, and another comes at once", async () => {
  const { rig, port, change } = await startService("pass", "");
  await using _ = rig;
  const { client, pid } = await visit(port);
  await using __ = client;
  expect(await change("workers = { min = 2, max = 2 }")).toMatchObject(kept(["workers"]));
  await rig.event("handler.started", (event) => event.pid !== pid);
  expect(Number(await client.command("pid"))).toBe(pid);
});

test("workers.connections: whoever waits for room gets it with the worker that there is", async () => {
  const { rig, port, change } = await startService("pass", "workers = { max = 1, connections = 1 }");
  await using _ = rig;
  const { client, pid } = await visit(port);
  await using waiting = await connect(port);
  const answer = waiting.command("pid");
  // The worker serves one after the other: he is with it as soon as the first has gone, and in its hands before.
  await change("workers = { max = 1, connections = 2 }");
  await rig.event("connection.accepted", {}, { after: await rig.event("connection.accepted") });
  client.end();
  expect(Number(await answer)).toBe(pid);
});

test("restart: who ends is replaced from now on", async () => {
  const { rig, port, change } = await startService("listen", 'restart = "no"\nworkers = { min = 1 }');
  await using _ = rig;
  const { client, pid } = await visit(port);
  await using __ = client;
  expect(await change('restart = "always"\nworkers = { min = 1 }')).toMatchObject(kept(["restart"]));
  process.kill(pid, "SIGKILL");
  await rig.event("handler.started", (event) => event.pid !== pid);
});

test("max_lifetime counts for who is started from now on", async () => {
  const { rig, port, change } = await startService("pass", "");
  await using _ = rig;
  const { client, pid } = await visit(port);
  await using __ = client;
  expect(await change('max_lifetime = "200ms"\nworkers = { min = 2, max = 2 }')).toMatchObject(
    kept(["workers", "max_lifetime"]),
  );
  const { pid: younger } = await rig.event("handler.started", (event) => event.pid !== pid);
  expect(await rig.event("handler.stopping")).toMatchObject({ pid: younger, reason: "max_lifetime" });
  expect(Number(await client.command("pid"))).toBe(pid);
});

test("start_limit: starts that go on failing are held up", async () => {
  const failing = (limit: string) =>
    `[services.it]\nlisten = "127.0.0.1:0"\nhandoff = "listen"\ncommand = "/bin/false"\nstart_limit = "${limit}"\n`;
  const { rig, reload } = await startReloadable(() => failing("1000000/1h"));
  await using _ = rig;
  await using client = await connect(await rig.port("it"));
  client.write("anybody there?\n");
  await rig.event("handler.exited");
  expect(await reload(failing("5/1h"))).toMatchObject(kept(["start_limit"]));
  expect(await rig.event("service.state", { state: "failed" })).toMatchObject({ service: "it" });
});
