/** What a reload has changed is in force after an upgrade, and what the next reload changes counts for all who are there. */
import { lstatSync, readFileSync, writeFileSync } from "node:fs";
import { connect as dial } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { callAs } from "../control/tools.ts";
import { listenerInode } from "../reload/inode.ts";
import { type Reloadable, startReloadable } from "../reload/tools.ts";
import { ask, connect } from "../rig/client.ts";
import { asRoot, needs, program } from "../rig/needs.ts";
import { eventually } from "../rig/proc.ts";
import { upgrade } from "./tools.ts";

const cat = '[services.cat]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n';
const withDaemon = (keys: string) => `[daemon]\n${keys}\n${cat}`;

const worker = (acceptor: string, keys: string) =>
  `[services.it]\nlisten = "127.0.0.1:0"\nhandoff = "listen"\ncommand = "${acceptor}"\n${keys}\n`;

async function startWorker(keys: string): Promise<Reloadable & { change(keys: string): Promise<unknown> }> {
  const started = await startReloadable(({ acceptor }) => worker(acceptor, keys));
  return { ...started, change: (own) => started.reload(worker(started.place.acceptor, own)) };
}

test("a worker that was started by another configuration goes by the one in force, before and after", async () => {
  const { rig, change } = await startWorker('idle_timeout = "1h"');
  await using _ = rig;
  const client = await connect(await rig.port("it"));
  const pid = Number(await client.command("pid"));
  await change('idle_timeout = "2h"\nstop_signal = "SIGINT"');
  await upgrade(rig);
  expect(Number(await client.command("pid"))).toBe(pid);
  // The same text once more: what is in force was handed on.
  const inForce = await change('idle_timeout = "2h"\nstop_signal = "SIGINT"');
  expect(inForce).toMatchObject({ generation: 2, changed: [], unchanged: 1 });
  expect(await change('idle_timeout = "200ms"\nstop_signal = "SIGINT"')).toMatchObject({
    generation: 3,
    changed: [{ keys: ["idle_timeout"], workers: "kept" }],
  });
  client.end();
  await client.rest();
  expect(await rig.event("handler.stopping")).toMatchObject({ pid, signal: "SIGINT" });
});

test("a file that has changed since does not count before it is reloaded", async () => {
  const { rig, change, write } = await startWorker('idle_timeout = "1h"');
  await using _ = rig;
  const client = await connect(await rig.port("it"));
  const pid = Number(await client.command("pid"));
  write("this is no configuration");
  await upgrade(rig);
  await expect(change("umask = 7")).rejects.toThrow("400");
  expect(Number(await client.command("pid"))).toBe(pid);
  expect(await change('idle_timeout = "1h"')).toMatchObject({ changed: [], unchanged: 1 });
  client.end();
  await client.rest();
});

test("a TCP listener that was moved stays where it is, and can be moved again", async () => {
  const { rig, reload } = await startReloadable(() => cat);
  await using _ = rig;
  await reload(withDaemon('http = "127.0.0.1:0"'));
  const first = await rig.event("http.listening");
  const port = portOf(first.address);
  const inode = listenerInode(port);
  await upgrade(rig);
  expect(listenerInode(port)).toBe(inode);
  expect(await health(port)).toContain("200 OK");
  expect(await reload(withDaemon('http = "127.0.0.1:0"'))).toMatchObject({ daemon: [] });
  await reload(withDaemon('http = "127.0.0.2:0"'));
  await rig.event("http.listening", {}, { after: first });
  await expect(health(port)).rejects.toThrow("ECONNREFUSED");
});

test("the log goes on in the file that a reload has named", async () => {
  let node = "";
  const configuration = (keys: string) =>
    `[daemon]\n${keys}\n[services.cat]\nlisten = "${node}"\ncommand = "cat"\n`;
  const { rig, reload } = await startReloadable(({ directory }) => {
    node = join(directory, "cat.sock");
    return configuration("");
  });
  await using _ = rig;
  const file = join(rig.directory, "log");
  await reload(configuration(`log = { destination = "${file}" }`));
  await upgrade(rig);
  expect(await ask(node, "hello")).toBe("hello");
  await eventually("the upgrade and a client are in the file", () => {
    const events = readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).event);
    return events.includes("daemon.upgrade") && events.includes("connection.closed");
  });
  await reload(configuration(""));
  await rig.event("daemon.reload");
});

needs(
  asRoot,
  program("setpriv"),
  program("curl"),
)("the groups that a reload has let in may call, and the next reload can lock them out", async () => {
  const { rig, reload } = await startReloadable(() => cat);
  await using _ = rig;
  const status = () => callAs(rig, { uid: 12_345, gid: 12_345, groups: "4" }, "GET", "/v1/status");
  await reload(withDaemon('status_group = "adm"'));
  await upgrade(rig);
  expect(await status()).toBe(200);
  await reload(cat);
  expect(lstatSync(rig.controlSocket).mode & 0o777).toBe(0o600);
  expect(await status()).toBe(0);
});

test("what could not follow is as it was, and the next reload tries again", async () => {
  const { rig, reload } = await startReloadable(() => cat);
  await using _ = rig;
  const missing = join(rig.directory, "missing");
  const lost = withDaemon(`log = { destination = "${missing}/log" }`);
  const failure = { key: "log", failure: `cannot log to ${missing}/log: ENOENT` };
  expect(await reload(lost)).toMatchObject({ daemon: [failure] });
  await upgrade(rig);
  expect(await reload(lost)).toMatchObject({ daemon: [failure] });
  writeFileSync(rig.configPath, cat);
  expect(await reload(cat)).toMatchObject({ daemon: [] });
});

function portOf(address: string): number {
  return Number(/:(\d+)$/.exec(address)?.[1]);
}

function health(port: number): Promise<string> {
  const socket = dial(port, "127.0.0.1");
  socket.write("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  return text(socket);
}
