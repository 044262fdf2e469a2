/** The nodes of Unix listeners, as the running daemon makes, replaces and removes them. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ask } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { asRoot, needs } from "../rig/needs.ts";
import { statusOf } from "./tools.ts";

test("a node admits its owner alone unless more is declared, and is removed at the end", async () => {
  await using place = makePlace();
  await using rig = await startDaemon(`
[services.closed]
listen  = "${place.path("closed.sock")}"
command = "cat"

[services.open]
listen  = { address = "${place.path("made/on/the/way/open.sock")}", mode = "0666", directory_mode = "0711" }
command = "cat"`);
  const [closed, open] = [place.path("closed.sock"), place.path("made/on/the/way/open.sock")];
  expect([closed, open, place.path("made")].map(modeOf)).toEqual([0o600, 0o666, 0o711]);
  expect(await ask(open, "hello")).toBe("hello");
  await rig.stop();
  expect([closed, open, rig.controlSocket].filter(existsSync)).toEqual([]);
});

needs(asRoot)("a node belongs to the declared owner and group", async () => {
  await using place = makePlace();
  const node = place.path("node.sock");
  await using rig = await startDaemon(`
[services.owned]
listen  = { address = "${node}", mode = "0660", owner = "nobody", group = "daemon" }
command = "cat"`);
  await rig.event("daemon.ready");
  const { mode, uid, gid } = lstatSync(node);
  expect({ mode: mode & 0o777, uid, gid }).toEqual({ mode: 0o660, uid: 65_534, gid: 1 });
});

test("a stale node is replaced", async () => {
  await using place = makePlace();
  const node = place.path("node.sock");
  // Bound by a process that has ended without removing it.
  execFileSync("perl", [
    "-MIO::Socket::UNIX",
    "-e",
    "IO::Socket::UNIX->new(Local => shift, Listen => 1)",
    node,
  ]);
  const stale = lstatSync(node).ino;
  await using rig = await startDaemon(`[services.node]\nlisten = "${node}"\ncommand = "cat"`);
  expect(await ask(node, "hello")).toBe("hello");
  expect(lstatSync(node).isSocket()).toBe(true);
  expect((await statusOf(rig)).failure).toBeNull();
  expect(stale).toBeGreaterThan(0);
});

test("a live node is left alone, and its owner named; once it has gone the service listens", async () => {
  await using place = makePlace();
  const node = place.path("node.sock");
  // The daemon's own try to connect is dropped without a word.
  const server = createServer((socket) => socket.on("error", () => {}).end("mine")).listen(node);
  await once(server, "listening");
  await using rig = await startDaemon(`[services.node]\nlisten = "${node}"\ncommand = "cat"`);
  const failed = await rig.event("service.failed");
  expect(failed.reason).toContain(`address in use by pid ${process.pid}`);
  expect(await ask(node, "")).toBe("mine");
  server.close();
  await once(server, "close");
  await rig.event("service.recovered");
  expect(await ask(node, "hello")).toBe("hello");
});

test("a directory or a file in the way is left alone", async () => {
  await using place = makePlace();
  mkdirSync(place.path("directory"));
  writeFileSync(place.path("file"), "precious");
  await using rig = await startDaemon(
    ["directory", "file"]
      .map((name) => `[services.${name}]\nlisten = "${place.path(name)}"\ncommand = "cat"\n`)
      .join("\n"),
  );
  const reasonOf = async (service: string) => (await rig.event("service.failed", { service })).reason;
  expect(await reasonOf("directory")).toContain(
    `${place.path("directory")} is a directory, which is left alone`,
  );
  expect(await reasonOf("file")).toContain(`${place.path("file")} is a regular file, which is left alone`);
  await rig.stop();
  expect(lstatSync(place.path("directory")).isDirectory()).toBe(true);
  expect(lstatSync(place.path("file")).isFile()).toBe(true);
});

test("at the end a node is removed only if it is still the one that was made", async () => {
  await using place = makePlace();
  const node = place.path("node.sock");
  await using rig = await startDaemon(`[services.node]\nlisten = "${node}"\ncommand = "cat"`);
  renameSync(node, `${node}.ours`);
  writeFileSync(node, "somebody else's");
  await rig.stop();
  expect(lstatSync(node).isFile()).toBe(true);
});

interface Place extends AsyncDisposable {
  path(name: string): string;
}

/** A folder that outlives the rig. */
function makePlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), "tinetd-nodes-"));
  return {
    path: (name) => join(folder, name),
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function modeOf(path: string): number {
  return lstatSync(path).mode & 0o777;
}
