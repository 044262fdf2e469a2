/** Reload of `[daemon]`: the log, the TCP listener and the groups follow; what cannot be had stays as it was. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect as dial } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { callAs } from "../control/tools.ts";
import { ask } from "../rig/client.ts";
import { asRoot, needs, program } from "../rig/needs.ts";
import { eventually } from "../rig/proc.ts";
import { listenerInode } from "./inode.ts";
import { startReloadable } from "./tools.ts";

const service = '[services.cat]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n';
const withDaemon = (keys: string) => `[daemon]\n${keys}\n${service}`;

test("the log: another level, and another file, which has what comes from then on", async () => {
  let node = "";
  const cat = (keys: string) =>
    `[daemon]\nlog = { ${keys} }\n[services.cat]\nlisten = "${node}"\ncommand = "cat"\n`;
  const { rig, reload } = await startReloadable(({ directory }) => {
    node = join(directory, "cat.sock");
    return cat('level = "error"');
  });
  await using _ = rig;
  const file = join(rig.directory, "log");
  const logged = () => readFileSync(file, "utf8").trimEnd().split("\n");
  const inFile = cat(`destination = "${file}"`);
  const plan = await reload(inFile);
  expect(plan).toMatchObject({ generation: 2, daemon: [{ key: "log", failure: null }], postponed: [] });
  expect(await ask(node, "hello")).toBe("hello");
  await eventually("the client is in the file", () => logged().some((line) => line.includes("closed")));
  expect(logged().map((line) => JSON.parse(line).event)).toEqual(
    expect.arrayContaining(["daemon.reload", "connection.accepted", "connection.closed"]),
  );
  // The same again: the file is not opened anew.
  const opened = descriptorsOf(rig.pid, file);
  expect(opened).toHaveLength(1);
  expect(await reload(inFile)).toMatchObject({ generation: 2, daemon: [] });
  expect(descriptorsOf(rig.pid, file)).toEqual(opened);
  await reload(cat('level = "info"'));
  expect(await rig.event("daemon.reload", { generation: 3 })).toMatchObject({ daemon: ["log"] });
  await eventually("the file is closed", () => descriptorsOf(rig.pid, file).length === 0);
});

test("a log that cannot be opened: the old one goes on, the rest is done, and the next reload tries again", async () => {
  const { rig, reload } = await startReloadable(() => service);
  await using _ = rig;
  const lost = withDaemon('log = { destination = "/nonexistent/log" }\nmax_connections = 7');
  const failure = "cannot log to /nonexistent/log: ENOENT";
  for (const generation of [2, 3]) {
    expect(await reload(lost)).toMatchObject({
      generation,
      daemon: expect.arrayContaining([{ key: "log", failure }]),
    });
    expect(await rig.event("daemon.reload", { generation })).toMatchObject({
      error: `[daemon] log is as before: ${failure}`,
    });
  }
});

test("the TCP listener comes, moves, stays where it is when it cannot move, and goes", async () => {
  const { rig, reload } = await startReloadable(() => service);
  await using _ = rig;
  expect(await reload(withDaemon('http = "127.0.0.1:0"'))).toMatchObject({
    daemon: [{ key: "http", failure: null }],
  });
  const first = await rig.event("http.listening");
  const old = portOf(first.address);
  expect(await health(old)).toContain("200 OK");
  const inode = listenerInode(old);

  expect((await reload(withDaemon('http = "127.0.0.1:0"\nmax_connections = 9'))).daemon).toEqual([
    { key: "max_connections", failure: null },
  ]);
  expect(listenerInode(old)).toBe(inode);

  const taken = await rig.port("cat");
  const moved = await reload(withDaemon(`http = "127.0.0.1:${taken}"\nmax_connections = 9`));
  expect(moved.daemon).toEqual([{ key: "http", failure: expect.stringContaining("address in use") }]);
  expect(await health(old)).toContain("200 OK");

  // All addresses of the same port, which only one of the two can have.
  await reload(withDaemon(`http = "*:${old}"`));
  const second = await rig.event("http.listening", {}, { after: first });
  expect(portOf(second.address)).toBe(old);
  expect(await health(old)).toContain("200 OK");

  await reload(withDaemon('http = "127.0.0.2:0"'));
  const third = await rig.event("http.listening", {}, { after: second });
  expect(third.address).toContain("127.0.0.2");
  await expect(health(old)).rejects.toThrow("ECONNREFUSED");

  await reload(service);
  await expect(health(portOf(third.address), "127.0.0.2")).rejects.toThrow("ECONNREFUSED");
});

test("a TCP listener that waits for its address waits no more when it gets another", async () => {
  const { rig: other } = await startReloadable(() => service);
  await using _other = other;
  const taken = await other.port("cat");
  const { rig, reload } = await startReloadable(() => withDaemon(`http = "127.0.0.1:${taken}"`));
  await using _ = rig;
  await rig.event("http.failed");
  await reload(withDaemon('http = "127.0.0.1:0"'));
  const { address } = await rig.event("http.listening");
  expect(await health(portOf(address))).toContain("200 OK");
});

needs(
  asRoot,
  program("setpriv"),
  program("curl"),
)("the groups that may call", async () => {
  const { rig, reload } = await startReloadable(() => service);
  await using _ = rig;
  const member = (gid: number) => ({ uid: 12_345, gid: 12_345, groups: `${gid}` });
  const node = () => {
    const { mode, gid } = lstatSync(rig.controlSocket);
    return { mode: mode & 0o777, gid };
  };
  const status = (gid: number) => callAs(rig, member(gid), "GET", "/v1/status");
  // Debian's own: adm is 4, staff is 50.
  expect(await status(4)).toBe(0);
  const adm = withDaemon('status_group = "adm"');
  expect(await reload(adm)).toMatchObject({ daemon: [{ key: "status_group", failure: null }] });
  expect(node()).toEqual({ mode: 0o660, gid: 4 });
  expect(await status(4)).toBe(200);
  expect(await callAs(rig, member(4), "POST", "/v1/services/cat/pause")).toBe(403);

  await reload(withDaemon('control_group = "adm"\nstatus_group = "staff"'));
  expect(node().mode).toBe(0o666);
  expect(await status(50)).toBe(200);
  expect(await callAs(rig, member(4), "POST", "/v1/services/cat/pause")).toBe(200);

  const plan = await reload(withDaemon('control_group = "nonesuch"\nstatus_group = "staff"'));
  expect(plan.daemon).toEqual([{ key: "control_group", failure: 'there is no group "nonesuch"' }]);
  expect(await status(4)).toBe(200);

  await reload(service);
  expect(node().mode).toBe(0o600);
  expect(await status(4)).toBe(0);
});

/** Of a process that have a file open. */
function descriptorsOf(pid: number, file: string): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => linkOf(`${folder}/${fd}`) === file);
}

/** `null`: it was closed meanwhile. */
function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

function portOf(address: string): number {
  return Number(/:(\d+)$/.exec(address)?.[1]);
}

function health(port: number, host = "127.0.0.1"): Promise<string> {
  const socket = dial(port, host);
  socket.write(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  return text(socket);
}
