/** Taking a worker away from a Unix socket loses nobody, and daemons that know their sockets by name get them. */
import { copyFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { twinPath } from "../../../src/net/twin.ts";
import { makeFolder } from "../cli/tinetd.ts";
import { ask, connect, type Target } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { installFixture } from "../rig/fixtures.ts";
import { asRoot, needs } from "../rig/needs.ts";
import type { Rig } from "../rig/rig.ts";

const program = fileURLToPath(new URL("workers/sockets.py", import.meta.url));

interface Wanted {
  name: string;
  listen: ("unix" | "unix-seqpacket" | "tcp")[];
  /** A dash and a word (`workers/sockets.py`). */
  manners?: string;
  keys: string;
}

/** One service whose daemon takes only what is declared. */
function service(directory: string, { name, listen, manners, keys }: Wanted): string {
  const copy = join(directory, "sockets.py");
  copyFileSync(program, copy);
  const path = (kind: string) => pathOf(directory, name, kind);
  const addresses = listen.map((kind) => (kind === "tcp" ? "127.0.0.1:0" : `${kind}:${path(kind)}`));
  const words = listen.map((kind) =>
    kind === "tcp" ? kind : `${kind === "unix" ? "stream" : "seqpacket"}:${path(kind)}`,
  );
  const command = [
    "/usr/bin/python3",
    "-S",
    "-E",
    copy,
    ...words,
    ...(manners === undefined ? [] : [manners]),
  ];
  return `
[services.${name}]
listen  = ${JSON.stringify(addresses)}
handoff = "listen"
command = ${JSON.stringify(command)}
${keys}
`;
}

function pathOf(directory: string, name: string, kind = "unix"): string {
  return join(directory, `${name}-${kind}.sock`);
}

function isTcp({ service, address }: { service: string; address: string }, name: string): boolean {
  return service === name && address.startsWith("tcp:");
}

function startOne(wanted: Omit<Wanted, "name">): Promise<Rig> {
  return startDaemon(({ directory }) => service(directory, { ...wanted, name: "it" }));
}

/** A worker that is told to stop and then gets somebody all the same loses him. */
const manners = "-lingers";
const keys = 'idle_timeout = "200ms"';

/** Clients, several at a time, around the moment in which the worker is found idle, until there were `cycles` stops. */
async function besiege(rig: Rig, places: Target[][], cycles: number): Promise<void> {
  let stops = 0;
  let served = 0;
  const failures: string[] = [];
  const visit = async (place: Target) => {
    // Around the edge: the timeout, and what is added until it is noticed. No time is claimed here.
    await delay(150 + Math.random() * 200);
    const answer = await ask(place, "").catch((error: Error) => error.message);
    if (/^\d+\n$/.test(answer)) served += 1;
    else failures.push(answer === "" ? "no answer" : answer);
  };
  const visitors = async (service: Target[]) => {
    while (stops < cycles) {
      await Promise.all(service.map(visit));
      stops = rig.events.filter(({ event }) => event === "handler.stopping").length;
    }
  };
  await Promise.all(places.map(visitors));
  expect(failures).toEqual([]);
  expect(served).toBeGreaterThan(cycles);
  const exited = rig.events.flatMap((event) => (event.event === "handler.exited" ? [event.code] : []));
  expect(new Set(exited)).toEqual(new Set([0]));
}

test("clients around the idle edge are all answered, for 320 stops", async () => {
  const names = Array.from({ length: 32 }, (_, n) => `s${n}`);
  await using rig = await startDaemon(({ directory }) =>
    names.map((name) => service(directory, { name, listen: ["unix"], manners, keys })).join(""),
  );
  await Promise.all(names.map((name) => rig.address(name)));
  const paths = names.map((name) => pathOf(rig.directory, name));
  await besiege(
    rig,
    paths.map((path) => [path, path]),
    320,
  );
});

// Closing the door at a TCP listener needs CAP_NET_ADMIN.
needs(asRoot)(
  "so are those of a service that listens on TCP too: all its listeners leave together",
  async () => {
    const names = Array.from({ length: 12 }, (_, n) => `s${n}`);
    await using rig = await startDaemon(({ directory }) =>
      names.map((name) => service(directory, { name, listen: ["tcp", "unix"], manners, keys })).join(""),
    );
    const places = await Promise.all(
      names.map(async (name) => {
        await rig.address(name, 1);
        const { address } = await rig.event("service.listening", (event) => isTcp(event, name));
        return [Number(address.split(":").at(-1)), pathOf(rig.directory, name)];
      }),
    );
    await besiege(rig, places, 60);
  },
);

test("who is found in the old queue when the worker has gone is served first, then who waits in the new one", async () => {
  await using rig = await startOne({
    listen: ["unix", "unix-seqpacket"],
    manners: "-once",
    keys: 'idle_timeout = "200ms"\nstop_timeout = "off"',
  });
  await rig.address("it", 1);
  const path = pathOf(rig.directory, "it");
  const first = Number(await ask(path, ""));
  await rig.event("handler.stopping", { pid: first });
  // As one whose connect(2) went by the old node, a moment before the path was turned.
  const old = ask(twinPath(path), "");
  await using other = await connect(path);
  process.kill(first, "SIGUSR1");
  const second = Number(await old);
  expect(second).not.toBe(first);
  await rig.event("handler.stopping", { pid: second });
  process.kill(second, "SIGUSR1");
  const third = Number(await other.line());
  expect(third).not.toBe(second);
  other.end();
  await rig.event("handler.stopping", { pid: third });
  process.kill(third, "SIGUSR1");
});

test("who comes to the other socket while a worker serves waits until that one's clients have left", async () => {
  await using rig = await startOne({ listen: ["unix"], keys: 'idle_timeout = "1h"' });
  await rig.address("it");
  const path = pathOf(rig.directory, "it");
  await using present = await connect(path);
  const first = Number(await present.line());
  await using straggler = await connect(twinPath(path));
  await rig.status();
  await using latecomer = await connect(path);
  expect(await rig.status()).toMatchObject({ services: [{ connections: 3 }] });
  present.end();
  expect((await present.rest()).toString()).toBe("");
  await rig.event("handler.exited", { pid: first });
  const second = await straggler.line();
  expect(Number(second)).not.toBe(first);
  expect(await latecomer.line()).toBe(second);
});

test("a worker that shuts its socket down as it goes takes nobody with it, each time", async () => {
  await using rig = await startOne({ listen: ["unix"], manners: "-shuts", keys });
  await rig.address("it");
  const path = pathOf(rig.directory, "it");
  let pid = Number(await ask(path, ""));
  for (let turn = 0; turn < 4; turn++) {
    await rig.event("handler.stopping", { pid });
    const next = Number(await ask(path, ""));
    expect(next).not.toBe(pid);
    pid = next;
  }
  expect(rig.events.filter(({ event }) => event === "service.failed")).toEqual([]);
});

test("the nodes of a daemon that was killed are replaced, those of one that ends are removed", async () => {
  const lasting = 'idle_timeout = "1h"';
  await using killed = await startOne({ listen: ["unix"], keys: lasting });
  await killed.address("it");
  const path = pathOf(killed.directory, "it");
  killed.signal("SIGKILL");
  await killed.exited;
  const sockets = () => readdirSync(dirname(path)).filter((name) => name.includes("it-unix"));
  expect(sockets()).toHaveLength(2);
  const text = service(killed.directory, { name: "it", listen: ["unix"], keys: lasting });
  const next = await startDaemon(() => text);
  await next.address("it");
  expect(await ask(path, "")).toMatch(/^\d+\n$/);
  await next[Symbol.asyncDispose]();
  expect(sockets()).toEqual([]);
});

test("where two names cannot be exchanged the log warns of it, and the one socket serves", async () => {
  using folder = makeFolder();
  const launcher = [installFixture("without", folder.path), "exchange"];
  const listen = ["unix" as const];
  const text = ({ directory }: { directory: string }) => `
[services.other]
listen  = "unix:${directory}/other.sock"
command = "true"
${service(directory, { name: "it", listen, keys })}`;
  await using rig = await startDaemon(text, { launcher });
  expect(await rig.event("service.listening", { service: "it" })).toMatchObject({
    level: "warn",
    warning: expect.stringContaining("can be lost"),
  });
  const path = pathOf(rig.directory, "it");
  expect(readdirSync(rig.directory).filter((name) => name.includes("it-unix"))).toEqual(["it-unix.sock"]);
  const first = Number(await ask(path, ""));
  await rig.event("handler.exited", { pid: first });
  expect(Number(await ask(path, ""))).not.toBe(first);

  // Who accepts himself needs only the one, and so nothing is missing; nor where there are two.
  const whole = await rig.event("service.listening", { service: "other" });
  await using usual = await startDaemon(text);
  for (const event of [whole, ...(await both(usual))]) {
    expect(event).toMatchObject({ level: "info" });
    expect(event).not.toHaveProperty("warning");
  }
});

function both(rig: Rig) {
  return Promise.all(["it", "other"].map((name) => rig.event("service.listening", { service: name })));
}
