/** Nodes in the file system: never open too wide, never taken from a living daemon, never left behind, never another's. */
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Endpoint } from "../../../src/net/address.ts";
import { withNodeLock } from "../../../src/net/node-lock.ts";
import type { ListenerOptions } from "../../../src/net/options.ts";
import { contender } from "./contender.ts";
import { close, isRoot, open, reachable, refusal, sys, workplace } from "./support.ts";

const { path } = workplace();
const kinds = ["unix", "unix-dgram", "unix-seqpacket"] as const;
const types = { unix: "stream", "unix-dgram": "dgram", "unix-seqpacket": "seqpacket" } as const;
const nobody = 65534;

/** Permissions and owners, as `660 0:0`. */
function access(where: string): string {
  const { mode, uid, gid } = lstatSync(where);
  return `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
}

function spec(where: string, options: Partial<ListenerOptions> = {}) {
  return {
    endpoint: { kind: "unix", path: where } as Endpoint,
    options: { name: "x", backlog: 16, ...options },
  };
}

/** A node that nobody serves. */
function stale(where: string, kind: (typeof kinds)[number] = "unix"): void {
  const fd = sys.socket("unix", types[kind]);
  sys.bind(fd, { family: "unix", path: where });
  sys.close(fd);
}

/** No name but these is left beside a node: neither locks nor temporary names. */
function expectOnly(folder: string, names: string[]): void {
  expect(readdirSync(folder).toSorted()).toEqual(names.toSorted());
}

describe("who may connect", () => {
  test.each(kinds)("%s: the daemon's user alone, unless declared otherwise", async (kind) => {
    await open({ kind, path: path(`mode-${kind}`) });
    expect(access(path(`mode-${kind}`))).toBe(`600 ${process.getuid?.()}:${process.getgid?.()}`);
    await open({ kind, path: path(`wide-${kind}`) }, { mode: 0o666 });
    expect(access(path(`wide-${kind}`))).toBe(`666 ${process.getuid?.()}:${process.getgid?.()}`);
  });

  test.skipIf(!isRoot)("owner and group, by name and by number", async () => {
    await open({ kind: "unix", path: path("owned") }, { owner: "nobody", group: "nogroup", mode: 0o660 });
    expect(access(path("owned"))).toBe(`660 ${nobody}:${nobody}`);
    await open({ kind: "unix", path: path("numbers") }, { owner: "12345", group: "54321" });
    expect(access(path("numbers"))).toBe("600 12345:54321");
    await open({ kind: "unix", path: path("group") }, { group: "nogroup" });
    expect(access(path("group"))).toBe(`600 0:${nobody}`);
  });

  test.each([
    [{ owner: "tinetd-nobody" }, 'owner: there is no user "tinetd-nobody"'],
    [{ group: "tinetd-nobody" }, 'group: there is no group "tinetd-nobody"'],
  ])("%j", async (options, reason) => {
    expect((await refusal({ kind: "unix", path: path("unknown") }, options)).reason).toBe(reason);
  });

  describe("never for an instant more than that, even without a umask", () => {
    let umask = 0;
    beforeEach(() => {
      umask = process.umask(0);
    });
    afterEach(() => {
      process.umask(umask);
    });

    test.each(kinds)("%s, watched by a racing observer", async (kind) => {
      const where = path("watched/x.sock");
      const owner = isRoot ? `${nobody}` : null;
      const seen = await observed(where, async (sawClosed) => {
        for (let n = 0; n < 300 || (!sawClosed() && n < 10_000); n++) {
          const [listener] = await open({ kind, path: where }, { mode: 0o660, owner, group: owner });
          close(listener);
        }
      });
      const them = isRoot ? `${nobody}:${nobody}` : ids();
      const closed = seen.filter((state) => state.startsWith("0 "));
      const opened = seen.filter((state) => !state.startsWith("0 "));
      expect(opened).toEqual([`660 ${them}`]);
      // Otherwise it was too slow to see how a node comes to be.
      expect(closed.length).toBeGreaterThan(0);
      expectOnly(dirname(where), []);
    });
  });
});

describe("missing directories", () => {
  test("are made with directory_mode, whatever the umask", async () => {
    const umask = process.umask(0o077);
    try {
      await open({ kind: "unix", path: path("a/b/x.sock") }, { directoryMode: 0o751 });
    } finally {
      process.umask(umask);
    }
    expect([path("a"), path("a/b")].map((folder) => lstatSync(folder).mode & 0o7777)).toEqual([0o751, 0o751]);
    await open({ kind: "unix", path: path("c/x.sock") });
    expect(lstatSync(path("c")).mode & 0o7777).toBe(0o755);
  });

  test("and those that exist are left as they are", async () => {
    mkdirSync(path("kept"));
    chmodSync(path("kept"), 0o711);
    await open({ kind: "unix", path: path("kept/x.sock") }, { directoryMode: 0o777 });
    expect(lstatSync(path("kept")).mode & 0o7777).toBe(0o711);
  });

  test("cannot be made where a file is", async () => {
    writeFileSync(path("file"), "");
    expect(await refusal({ kind: "unix", path: path("file/x.sock") })).toMatchObject({ code: "ENOTDIR" });
  });
});

describe("what is there already", () => {
  test.each(kinds)("a stale %s is replaced, whatever its type was", async (kind) => {
    for (const before of kinds) {
      const where = path(`stale-${kind}-${before}`);
      stale(where, before);
      const [listener] = await open({ kind, path: where });
      expect(sys.getsockname(listener.fd)).toEqual({ family: "unix", path: where });
      if (kind === "unix") expect(await reachable(listener, { path: where })).toBe(true);
    }
  });

  test("what a killed daemon left is replaced, with its lock", async () => {
    const folder = path("killed");
    await using other = await contender();
    expect((await other.open(spec(`${folder}/x.sock`))).ok).toBe(true);
    await other.kill();
    // As if it had been killed while it held the lock.
    writeFileSync(`${folder}/.x.sock.tinetd`, "", { mode: 0o600 });
    const [listener] = await open({ kind: "unix", path: `${folder}/x.sock` });
    expect(await reachable(listener, { path: `${folder}/x.sock` })).toBe(true);
    expectOnly(folder, ["x.sock"]);
  });

  test("a living one is an error that names its pid, whatever its type", async () => {
    await using other = await contender();
    for (const theirs of kinds) {
      const where = path(`living-${theirs}`);
      await other.open({ ...spec(where), endpoint: { kind: theirs, path: where } });
      for (const ours of kinds) {
        expect(await refusal({ kind: ours, path: where })).toEqual({
          address: `${ours}:${where}`,
          code: "EADDRINUSE",
          reason: `address in use by pid ${other.pid}`,
          pid: other.pid,
        });
      }
      expect(lstatSync(where).isSocket()).toBe(true);
      await other.close();
    }
  });

  test("one whose queue is full lives", async () => {
    const where = path("full");
    const fd = sys.socket("unix", "stream");
    sys.bind(fd, { family: "unix", path: where });
    sys.listen(fd, 0);
    const client = sys.socket("unix", "stream");
    expect(sys.connect(client, { family: "unix", path: where })).toBe(true);
    expect(await refusal({ kind: "unix", path: where })).toMatchObject({
      code: "EADDRINUSE",
      pid: process.pid,
    });
    sys.close(client);
    sys.close(fd);
  });

  test("files of other kinds are never removed", async () => {
    mkdirSync(path("directory"));
    writeFileSync(path("regular"), "precious");
    symlinkSync("/nowhere", path("link"));
    sys.makeFifo(path("pipe"), 0o600);
    for (const [name, what] of [
      ["directory", "a directory"],
      ["regular", "a regular file"],
      ["link", "a symbolic link"],
      ["pipe", "a FIFO"],
    ] as const) {
      const before = lstatSync(path(name)).ino;
      const failure = await refusal({ kind: "unix", path: path(name) });
      expect(failure).toMatchObject({
        code: "EEXIST",
        reason: `${path(name)} is ${what}, which is left alone`,
      });
      expect(lstatSync(path(name)).ino).toBe(before);
    }
  });
});

test("a path of 107 bytes is possible, one of 108 is an error", async () => {
  const most = path("x".repeat(107 - path("").length - 1));
  const longest = most.length === 107 ? most : `${most}x`;
  const [listener] = await open({ kind: "unix", path: longest });
  expect(await reachable(listener, { path: longest })).toBe(true);
  expect(await refusal({ kind: "unix", path: `${longest}x` })).toMatchObject({
    code: "ENAMETOOLONG",
    reason: "the path has 108 bytes, at most 107 are possible",
  });
});

describe("at the end", () => {
  test("the node is removed", async () => {
    const [listener] = await open({ kind: "unix", path: path("end/x.sock") });
    close(listener);
    expectOnly(path("end"), []);
  });

  test("a node that is not ours any more is not", async () => {
    const where = path("successor/x.sock");
    const [first] = await open({ kind: "unix", path: where });
    renameSync(where, path("successor/old.sock"));
    const [second] = await open({ kind: "unix", path: where });
    close(first);
    expect(await reachable(second, { path: where })).toBe(true);
    expectOnly(dirname(where), ["x.sock", "old.sock"]);
  });

  test("a node that is gone already is not missed", async () => {
    const where = path("gone/x.sock");
    const [listener] = await open({ kind: "unix", path: where });
    renameSync(where, path("elsewhere.sock"));
    close(listener);
    expectOnly(dirname(where), []);
  });
});

test("of several daemons that start at once on one stale node exactly one gets it", async () => {
  await using first = await contender();
  await using second = await contender();
  await using third = await contender();
  const all = [first, second, third];
  for (let round = 0; round < 20; round++) {
    const where = path(`race-${round}/x.sock`);
    mkdirSync(dirname(where));
    stale(where);
    const results = await Promise.all(all.map((daemon) => daemon.open(spec(where))));
    const winners = all.filter((_, index) => results[index]?.ok);
    expect(winners.length).toBe(1);
    const pid = winners[0]?.pid;
    for (const result of results) {
      if (!result.ok) expect(result.error).toMatchObject({ reason: `address in use by pid ${pid}`, pid });
    }
    const client = sys.socket("unix", "stream");
    expect(sys.connect(client, { family: "unix", path: where })).toBe(true);
    expect(sys.peerCredentials(client).pid).toBe(pid);
    sys.close(client);
    expectOnly(dirname(where), ["x.sock"]);
    await Promise.all(all.map((daemon) => daemon.close()));
    expectOnly(dirname(where), []);
  }
});

describe("the lock beside a node", () => {
  const lockOf = (where: string) => `${dirname(where)}/.${basename(where)}.tinetd`;

  test("is waited for", async () => {
    const where = path("waited.sock");
    const fd = openSync(lockOf(where), "w", 0o600);
    expect(sys.lockFile(fd)).toBeNull();
    const opening = open({ kind: "unix", path: where });
    expect(existsSync(where)).toBe(false);
    unlinkSync(lockOf(where));
    closeSync(fd);
    await opening;
    expect(existsSync(where)).toBe(true);
  });

  test("that is held for too long is a failure, and stays", async () => {
    const where = path("held.sock");
    const fd = openSync(lockOf(where), "w", 0o600);
    sys.lockFile(fd);
    expect(await refusal({ kind: "unix", path: where })).toMatchObject({
      reason: "another daemon is at work on this path",
    });
    expect(existsSync(lockOf(where))).toBe(true);
    unlinkSync(lockOf(where));
    closeSync(fd);
  });

  test("counts only while its file is the one at the path", () => {
    const where = path("replaced.sock");
    let calls = 0;
    const lockFile = () => {
      // Its holder went away between our open and our lock, and took the file along.
      if (++calls === 1) unlinkSync(lockOf(where));
      return null;
    };
    expect(withNodeLock({ lockFile }, where, () => existsSync(lockOf(where)))).toEqual({ value: true });
    expect(calls).toBe(2);
    expect(existsSync(lockOf(where))).toBe(false);
  });
});

describe.skipIf(!isRoot)("a daemon that is not root", () => {
  test("says what it may not do, and leaves nothing behind", async () => {
    await using other = await contender({ uid: nobody, gid: nobody });
    const folder = path("nobody");
    mkdirSync(folder);
    expect(await other.open(spec(`${folder}/x.sock`))).toMatchObject({
      ok: false,
      error: { code: "EACCES" },
    });
    chownSync(folder, nobody, nobody);
    expect(await other.open(spec(`${folder}/x.sock`, { owner: "root" }))).toMatchObject({
      ok: false,
      error: { code: "EPERM", reason: `chown ${folder}/x.sock: EPERM` },
    });
    expectOnly(folder, []);
  });

  test("replaces a node that a daemon left closed when it was killed while making it", async () => {
    await using other = await contender({ uid: nobody, gid: nobody });
    const folder = path("unborn");
    mkdirSync(folder);
    chownSync(folder, nobody, nobody);
    stale(`${folder}/x.sock`);
    chownSync(`${folder}/x.sock`, nobody, nobody);
    chmodSync(`${folder}/x.sock`, 0);
    expect((await other.open(spec(`${folder}/x.sock`))).ok).toBe(true);
    expect(access(`${folder}/x.sock`)).toBe(`600 ${nobody}:${nobody}`);
    await other.close();
    expectOnly(folder, []);
  });
});

function ids(): string {
  return `${process.getuid?.()}:${process.getgid?.()}`;
}

/**
 * Every state of what is at `where` that a second thread could see while `action` ran, which is told whether it has
 * seen a node without any permissions yet.
 */
async function observed(
  where: string,
  action: (sawClosed: () => boolean) => Promise<void>,
): Promise<string[]> {
  const flags = new Int32Array(new SharedArrayBuffer(8));
  const [stop, closed] = [0, 1];
  const script = `
    const { parentPort, workerData: { flags, where, stop, closed } } = require("node:worker_threads");
    const { lstatSync } = require("node:fs");
    const seen = new Set();
    parentPort.postMessage("watching");
    while (Atomics.load(flags, stop) === 0) {
      const found = lstatSync(where, { throwIfNoEntry: false });
      if (!found) continue;
      seen.add((found.mode & 0o7777).toString(8) + " " + found.uid + ":" + found.gid);
      if ((found.mode & 0o7777) === 0) Atomics.store(flags, closed, 1);
    }
    parentPort.postMessage([...seen]);`;
  const worker = new Worker(script, { eval: true, workerData: { flags, where, stop, closed } });
  const message = () => new Promise((resolve) => worker.once("message", resolve));
  await message();
  await action(() => Atomics.load(flags, closed) === 1);
  const seen = message();
  const ended = new Promise((resolve) => worker.once("exit", resolve));
  Atomics.store(flags, stop, 1);
  const states = (await seen) as string[];
  await ended;
  return states;
}
