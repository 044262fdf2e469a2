/** nginx through `proxy`, which tells it by a PROXY header who its clients are. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { needs, program } from "../e2e/rig/needs.ts";
import type { Rig } from "../e2e/rig/rig.ts";
import { documented } from "./documented.ts";
import { giveToHandlers, makeFiles, nobody } from "./files.ts";
import { expectNobodyLost, idleStopped } from "./proxied.ts";
import { succeed } from "./run.ts";

const possible = needs(program("nginx"), program("curl"));

possible("is woken, serves files whole and knows its clients, and is started again", async () => {
  await using rig = await startNginx();
  const content = readFileSync(join(rig.directory, "www/deeper/binary"));
  const files = await Promise.all(Array.from({ length: 8 }, () => curl(rig, "/deeper/binary")));
  for (const file of files) expect(file.equals(content)).toBe(true);
  const first = await idleStopped(rig);

  const address = await curl(rig, "/whoami", "--local-port", "20000-29999");
  const port = Number(/^127\.0\.0\.1 (\d+)\n$/.exec(address.toString())?.[1]);
  expect(port).toBeGreaterThanOrEqual(20_000);
  expect(port).toBeLessThan(30_000);
  await idleStopped(rig, first);
  await expectNobodyLost(rig, 2);
});

function startNginx(): Promise<Rig> {
  return startDaemon(({ directory }) => {
    const scratch = join(directory, "scratch");
    mkdirSync(scratch);
    giveToHandlers(scratch, nobody);
    makeFiles(join(directory, "www"));
    const config = join(directory, "nginx.conf");
    writeFileSync(config, nginxConf(directory, scratch));
    return documented("nginx", {
      "*:80": "127.0.0.1:0",
      "/etc/nginx/tinetd.conf": config,
      "/run/nginx-tinetd": join(directory, "run"),
      '"www-data"': '"nobody"',
      '"10m"': '"500ms"',
    });
  });
}

/** The server as the documentation has it, and around it what nginx needs that may write to one directory alone. */
function nginxConf(directory: string, scratch: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${scratch}/${name};`,
  );
  return `
pid ${scratch}/pid;
error_log stderr;
events {}
http {
  access_log off;
  ${temporary.join("\n  ")}
  server {
    listen unix:${directory}/run/http.sock proxy_protocol;
    set_real_ip_from unix:;
    real_ip_header proxy_protocol;
    root ${directory}/www;
    location = /whoami { return 200 "$remote_addr $remote_port\\n"; }
  }
}
`;
}

async function curl(rig: Rig, path: string, ...options: string[]): Promise<Buffer> {
  const url = `http://127.0.0.1:${await rig.port("nginx")}${path}`;
  return succeed("curl", ["-q", "-sS", "--fail", "--noproxy", "*", ...options, url]);
}
