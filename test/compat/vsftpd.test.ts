/**
 * vsftpd, with curl.
 *
 * It asks descriptor 0 for both its addresses, which its data connections depend on; it serves each client with
 * several processes, changes its user and root directory, and ends with 2 after a good session.
 */
import { chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type Client, connect } from "../e2e/rig/client.ts";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { asRoot, needs, program } from "../e2e/rig/needs.ts";
import { isAlive } from "../e2e/rig/proc.ts";
import type { Rig } from "../e2e/rig/rig.ts";
import { documented } from "./documented.ts";
import { digestsOf, makeFiles } from "./files.ts";
import { succeed } from "./run.ts";
import { expectIdle, expectServed } from "./served.ts";

const possible = needs(asRoot, program("/usr/sbin/vsftpd"), program("curl"));

possible("lists, sends and takes files, over data connections either way", async () => {
  await using rig = await startVsftpd();
  const idle = expectIdle(rig);
  const url = `ftp://127.0.0.1:${await rig.port("ftp")}`;
  const root = join(rig.directory, "root");

  expect((await curl(`${url}/`)).toString()).toMatch(/^-.* text\r?$/m);
  const passive = await curl(`${url}/deeper/binary`);
  const active = await curl("--ftp-port", "127.0.0.1", `${url}/deeper/binary`);
  const binary = readFileSync(join(root, "deeper", "binary"));
  expect([passive.equals(binary), active.equals(binary)]).toEqual([true, true]);
  await expectServed(rig, "ftp", 3, idle);

  const files = ["empty", "text", "deeper/binary"];
  await curl(...files.flatMap((name) => ["-T", join(root, name), `${url}/incoming/`]));
  const { empty, text, "deeper/binary": sent } = digestsOf(root);
  expect(digestsOf(join(root, "incoming"))).toEqual({ empty, text, binary: sent });
  await expectServed(rig, "ftp", 4, idle);
});

possible("serves several clients at the same time", async () => {
  await using rig = await startVsftpd();
  const idle = expectIdle(rig);
  const url = `ftp://127.0.0.1:${await rig.port("ftp")}`;
  const binary = readFileSync(join(rig.directory, "root", "deeper", "binary"));
  const answers = await Promise.all(Array.from({ length: 5 }, () => curl(`${url}/deeper/binary`)));
  expect(answers.map((answer) => answer.equals(binary))).toEqual(answers.map(() => true));
  await expectServed(rig, "ftp", answers.length, idle);
});

possible("all processes of a session end when its client goes, and when the daemon does", async () => {
  await using rig = await startVsftpd();
  const idle = expectIdle(rig);
  const port = await rig.port("ftp");
  {
    await using client = await logIn(port);
    client.reset();
  }
  await expectServed(rig, "ftp", 1, idle);

  await using _client = await logIn(port);
  const pids = rig.descendants();
  expect(pids.length).toBeGreaterThan(1);
  expect(await rig.stop()).toEqual({ code: 0, signal: null });
  expect(pids.filter(isAlive)).toEqual([]);
});

async function startVsftpd(): Promise<Rig> {
  return startDaemon(({ directory }) => {
    const root = join(directory, "root");
    makeFiles(root);
    const incoming = join(root, "incoming");
    mkdirSync(incoming);
    const { uid, gid } = ftpAccount();
    chownSync(incoming, uid, gid);
    const config = {
      listen: "NO",
      listen_ipv6: "NO",
      local_enable: "NO",
      anonymous_enable: "YES",
      anon_root: root,
      write_enable: "YES",
      anon_upload_enable: "YES",
      anon_umask: "022",
    };
    const path = join(directory, "vsftpd.conf");
    writeFileSync(
      path,
      Object.entries(config)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );
    return documented("ftp", { "*:21": "127.0.0.1:0", "/etc/vsftpd.conf": path });
  });
}

/** A session that has got as far as its second process. */
async function logIn(port: number): Promise<Client> {
  const client = await connect(port);
  expect(await client.line()).toMatch(/^220 /);
  expect(await client.command("USER ftp\r")).toMatch(/^331 /);
  expect(await client.command("PASS x\r")).toMatch(/^230 /);
  return client;
}

/** The account of anonymous sessions, which the package makes. */
function ftpAccount(): { uid: number; gid: number } {
  const [, uid, gid] = /^ftp:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8")) ?? [];
  if (uid === undefined || gid === undefined) throw new Error("/etc/passwd has no ftp");
  return { uid: Number(uid), gid: Number(gid) };
}

function curl(...args: string[]): Promise<Buffer> {
  return succeed("curl", ["-q", "-sS", "--noproxy", "*", ...args]);
}
