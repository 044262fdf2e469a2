/** bind's named through `proxy`, over TCP on both sides. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { startDaemon } from "../e2e/rig/daemon.ts";
import { needs, pathOf, program } from "../e2e/rig/needs.ts";
import type { Rig } from "../e2e/rig/rig.ts";
import { documented } from "./documented.ts";
import { giveToHandlers, nobody } from "./files.ts";
import { expectNobodyLost, idleStopped } from "./proxied.ts";
import { succeed } from "./run.ts";

const possible = needs(program("named"), program("dig"));

possible("is woken, answers over TCP and transfers a zone, and is started again", async () => {
  await using rig = await startNamed();
  expect(await dig(rig, "www.example.test", "A", "+short")).toBe("192.0.2.80\n");
  const first = await idleStopped(rig);
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, n) => dig(rig, `host${n}.example.test`, "A", "+short")),
  );
  expect(answers).toEqual(Array.from({ length: 10 }, (_, n) => `192.0.2.${n}\n`));
  const zone = await dig(rig, "example.test", "AXFR");
  expect(zone.match(/^host\d+\.example\.test\./gm)).toHaveLength(3_000);
  await idleStopped(rig, first);
  await expectNobodyLost(rig, 2);
});

function startNamed(): Promise<Rig> {
  // It binds only addresses that an interface has, so the port must be our own: below those that the kernel gives away.
  const port = 10_000 + (process.pid % 20_000);
  return startDaemon(({ directory }) => {
    const zone = join(directory, "example.test");
    const hosts = Array.from({ length: 3_000 }, (_, n) => `host${n} A 192.0.2.${n % 256}`);
    const head = "$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.80\n";
    writeFileSync(zone, `${head}${hosts.join("\n")}\n`);
    const scratch = join(directory, "scratch");
    mkdirSync(scratch);
    giveToHandlers(scratch, nobody);
    const config = join(directory, "named.conf");
    writeFileSync(
      config,
      `options {
  directory "${scratch}";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file none;
  session-keyfile none;
  recursion no;
  allow-transfer { any; };
};
controls {};
zone "example.test" { type primary; file "${zone}"; };
`,
    );
    return documented("dns", {
      "*:53": "127.0.0.1:0",
      "/etc/bind/tinetd.conf": config,
      "127.0.0.1:5300": `127.0.0.1:${port}`,
      '"bind"': '"nobody"',
      '"10m"': '"500ms"',
    });
  });
}

async function dig(rig: Rig, ...words: string[]): Promise<string> {
  const target = ["@127.0.0.1", "-p", `${await rig.port("dns")}`, "+tcp", "+tries=1"];
  return (await succeed(pathOf("dig"), [...target, ...words])).toString();
}
