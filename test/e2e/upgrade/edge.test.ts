/**
 * Clients that come just when workers are about to go for want of any, while the daemon executes itself anew again and
 * again, also between the closed door and the end of the worker.
 */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ask, readAll, type Target } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import type { Logged } from "../rig/event-log.ts";
import { asRoot, needs } from "../rig/needs.ts";
import type { Rig } from "../rig/rig.ts";
import { upgrade } from "./tools.ts";

const upgrades = 8;

/** A copy that workers of other users may read. */
function copy(directory: string, name: string): string {
  const path = join(directory, name);
  copyFileSync(fileURLToPath(new URL(`../idle/workers/${name}`, import.meta.url)), path);
  return path;
}

/** Executes the daemon anew until it was done `upgrades` times and workers were stopped in between. */
async function upgradeAgainAndAgain(rig: Rig): Promise<void> {
  let last: Logged | undefined;
  for (let n = 0; n < upgrades; n++) {
    await upgrade(rig);
    last = await rig.event("handler.stopping", {}, last === undefined ? {} : { after: last });
  }
}

/** Visits each place around the edge, for as long as there are upgrades. */
async function besiege(
  rig: Rig,
  places: readonly Target[],
  visit: (place: Target) => Promise<string>,
  answer: RegExp,
): Promise<void> {
  let isOver = false;
  let served = 0;
  const failures: string[] = [];
  const visitor = async (place: Target) => {
    while (!isOver) {
      const text = await visit(place).catch((error: Error) => error.message);
      if (answer.test(text)) served += 1;
      else failures.push(text === "" ? "no answer" : text);
      // Around the edge: the timeout, and what is added until it is noticed. No time is claimed here.
      await delay(100 + Math.random() * 500);
    }
  };
  const visitors = Promise.all(places.map(visitor));
  await upgradeAgainAndAgain(rig).finally(() => {
    isOver = true;
  });
  await visitors;
  expect(failures).toEqual([]);
  expect(served).toBeGreaterThan(upgrades);
}

/** How many workers were told to stop before an upgrade and ended after it. */
function caught({ events }: Rig): number {
  const leaving = new Set<number>();
  let count = 0;
  for (const event of events) {
    if (event.event === "handler.stopping") leaving.add(event.pid);
    else if (event.event === "handler.exited") leaving.delete(event.pid);
    else if (event.event === "daemon.upgrade") count += leaving.size;
  }
  return count;
}

/** Workers that are told to stop and then get somebody all the same lose him: they take him, and answer nobody. */
function lingering(directory: string, name: string, listen: string, word: string): string {
  return `
[services.${name}]
listen       = "${listen}"
handoff      = "listen"
command      = ["/usr/bin/python3", "-S", "-E", "${copy(directory, "sockets.py")}", "${word}", "-lingers=0.15"]
idle_timeout = "200ms"
`;
}

// Closing the door at a TCP listener needs CAP_NET_ADMIN.
needs(asRoot)("nobody is refused or unanswered at TCP ports", async () => {
  const names = Array.from({ length: 16 }, (_, n) => `s${n}`);
  await using rig = await startDaemon(({ directory }) =>
    names.map((name) => lingering(directory, name, "127.0.0.1:0", "tcp")).join(""),
  );
  const ports = await Promise.all(names.map((name) => rig.port(name)));
  await besiege(rig, ports, (port) => ask(port, ""), /^\d+\n$/);
  expect(caught(rig)).toBeGreaterThan(0);
});

test("nor at the paths of Unix sockets", async () => {
  const names = Array.from({ length: 16 }, (_, n) => `s${n}`);
  const path = (directory: string, name: string) => join(directory, `${name}.sock`);
  await using rig = await startDaemon(({ directory }) =>
    names
      .map((name) => {
        const socket = path(directory, name);
        return lingering(directory, name, `unix:${socket}`, `stream:${socket}`);
      })
      .join(""),
  );
  await Promise.all(names.map((name) => rig.address(name)));
  const paths = names.map((name) => path(rig.directory, name));
  await besiege(rig, paths, (socket) => ask(socket, ""), /^\d+\n$/);
  expect(caught(rig)).toBeGreaterThan(0);
});

needs(asRoot)("nor where workers are frozen, and stopped a moment later", async () => {
  const names = Array.from({ length: 12 }, (_, n) => `s${n}`);
  await using rig = await startDaemon(({ directory }) => {
    const program = copy(directory, "daemon.py");
    return names
      .map(
        (name, n) => `
[services.${name}]
listen       = "127.0.0.1:0"
handoff      = "listen"
command      = ["/usr/bin/python3", "-S", "-E", "${program}"]
idle_timeout = "100ms"
on_idle      = "freeze"
max_frozen   = "${n % 2 === 0 ? "50ms" : "1h"}"
`,
      )
      .join("\n");
  });
  const ports = await Promise.all(names.map((name) => rig.port(name)));
  await besiege(rig, ports, readAll, /^served\n$/);
});
