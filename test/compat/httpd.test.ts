/**
 * The web server of busybox, `httpd -i`, with curl.
 *
 * It asks descriptor 0 for the peer's address and tells CGI programs, which it starts as children.
 */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { needs, program } from "../e2e/rig/needs.ts";
import { documented } from "./documented.ts";
import { makeFiles } from "./files.ts";
import { succeed } from "./run.ts";
import { expectIdle, expectServed } from "./served.ts";

const possible = needs(program("/usr/bin/busybox"), program("curl"));

possible("serves files and CGI programs", async () => {
  await using rig = await startDaemon(({ directory }) => {
    const root = join(directory, "root");
    makeFiles(root);
    const scripts = join(root, "cgi-bin");
    mkdirSync(scripts);
    const script = join(scripts, "peer");
    writeFileSync(
      script,
      '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n%s %s\\n" "$REMOTE_ADDR" "$QUERY_STRING"\n',
    );
    chmodSync(script, 0o755);
    return documented("http", { "*:80": "127.0.0.1:0", "/srv/www": root });
  });
  const idle = expectIdle(rig);
  const url = `http://127.0.0.1:${await rig.port("http")}`;
  const curl = (...args: string[]) => succeed("curl", ["-q", "-sS", "--noproxy", "*", ...args]);

  const file = await curl(`${url}/deeper/binary`);
  expect(file.equals(readFileSync(join(rig.directory, "root", "deeper", "binary")))).toBe(true);
  await expectServed(rig, "http", 1, idle);

  expect((await curl("-o", "/dev/null", "-w", "%{http_code}", `${url}/nothing`)).toString()).toBe("404");
  expect((await curl(`${url}/cgi-bin/peer?asked`)).toString()).toBe("127.0.0.1 asked\n");
  await expectServed(rig, "http", 3, idle);
});
