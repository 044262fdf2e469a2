/**
 * `rsync --daemon` started per connection.
 *
 * It sees that it is to serve one client by descriptor 0 being a socket: with anything else there it would detach and
 * listen on a port of its own.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { needs, program } from "../e2e/rig/needs.ts";
import { documented } from "./documented.ts";
import { digestsOf, giveToHandlers, makeFiles, nobody } from "./files.ts";
import { run, succeed } from "./run.ts";
import { expectIdle, expectServed } from "./served.ts";

const possible = needs(program("/usr/bin/rsync"));

possible("pushes, pulls and refuses an unknown module", async () => {
  await using rig = await startDaemon(({ directory }) => {
    const module = join(directory, "module");
    mkdirSync(module);
    giveToHandlers(module, nobody);
    const config = join(directory, "rsyncd.conf");
    writeFileSync(config, `use chroot = no\n[files]\npath = ${module}\nread only = no\n`);
    return documented("rsync", { "*:873": "127.0.0.1:0", "/etc/rsyncd.conf": config });
  });
  const idle = expectIdle(rig);
  const url = `rsync://127.0.0.1:${await rig.port("rsync")}`;
  const [here, back] = [join(rig.directory, "here"), join(rig.directory, "back")];
  makeFiles(here);

  await succeed("rsync", ["-rt", `${here}/`, `${url}/files/`]);
  await expectServed(rig, "rsync", 1, idle);

  await succeed("rsync", ["-rt", `${url}/files/`, `${back}/`]);
  expect(digestsOf(back)).toEqual(digestsOf(here));

  const listing = await succeed("rsync", [`${url}/`]);
  expect(listing.toString()).toContain("files");

  const unknown = await run("rsync", [`${url}/nothing/`, `${back}/`]);
  expect(unknown.code).toBe(5); // "Error starting client-server protocol"
  expect(unknown.stderr).toContain("Unknown module");

  await expectServed(rig, "rsync", 4, idle);
});
