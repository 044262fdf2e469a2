/**
 * lighttpd through `listen` (`server.systemd-socket-activation`). It finds its own address among the sockets it is given
 * by getsockname(2), and takes the others as they are. A download is cut off when it is stopped, so nobody may be there.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { startDaemon } from "../e2e/rig/daemon.ts";
import type { Logged } from "../e2e/rig/event-log.ts";
import { needs, program } from "../e2e/rig/needs.ts";
import { eventually } from "../e2e/rig/proc.ts";
import { documented } from "./documented.ts";
import { makeFiles } from "./files.ts";
import { succeed } from "./run.ts";
import { expectIdle } from "./served.ts";

const possible = needs(program("/usr/sbin/lighttpd"), program("curl"));

possible("serves over TCP and Unix, is stopped when nobody is connected, and comes again", async () => {
  await using rig = await startDaemon(({ directory }) => {
    const root = join(directory, "root");
    mkdirSync(root);
    makeFiles(join(root, "files"));
    const config = join(directory, "lighttpd.conf");
    writeFileSync(
      config,
      `server.systemd-socket-activation = "enable"
server.bind = "${directory}/http.sock"
server.document-root = "${root}"
`,
    );
    return documented("lighttpd", {
      "/run/lighttpd.sock": `${directory}/http.sock`,
      "*:80": "127.0.0.1:0",
      "/etc/lighttpd/tinetd.conf": config,
      '"www-data"': '"nobody"',
      '"5m"': '"1s"',
    });
  });
  expectIdle(rig);
  const content = readFileSync(join(rig.directory, "root/files/deeper/binary"));
  const url = `http://127.0.0.1:${await rig.port("lighttpd", 1)}/files/deeper/binary`;
  const curl = (...args: string[]) => succeed("curl", ["-q", "-sS", "--noproxy", "*", ...args, url]);

  let since: { after?: Logged } = {};
  for (const way of [[], ["--unix-socket", join(rig.directory, "http.sock")], []]) {
    const bodies = await Promise.all(Array.from({ length: 6 }, () => curl(...way)));
    for (const body of bodies) expect(body.equals(content)).toBe(true);
    const { pid } = await rig.event("handler.started", {}, since);

    expect(await rig.event("handler.stopping", {}, since)).toMatchObject({ pid, reason: "idle_timeout" });
    const exited = await rig.event("handler.exited", {}, since);
    expect(exited).toMatchObject({ pid, code: 0 });
    since = { after: exited };
    await eventually("no process is left", () => rig.descendants().length === 0);
  }
  expect((await rig.status()).services).toMatchObject([
    { state: "listening", spawned: 3, start_failures: 0 },
  ]);
});
