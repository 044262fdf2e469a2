/**
 * Each folder of `examples` does what its README says, on its own configuration but for the addresses. Those of `pass`
 * have their tests beside its own (pass/examples.test.ts), those of MariaDB and redis with the other programs of the
 * distribution (compat/mariadb.test.ts, compat/redis.test.ts).
 */
import { execFile, execFileSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { ask, connect, datagramClient, readAll } from "./rig/client.ts";
import { startDaemon } from "./rig/daemon.ts";
import type { Logged } from "./rig/event-log.ts";
import { repository } from "./rig/fixtures.ts";
import type { Rig } from "./rig/rig.ts";

const run = promisify(execFile);
const folder = join(repository, "examples");

/** What a client of an example does. Only events after `since` are this client's. */
type Talk = (rig: Rig, since: { after?: Logged }) => Promise<void>;

/** Each connection or peer has a handler of its own, which ends with it. */
const handlers: Readonly<Record<string, Talk>> = {
  async "stdio-shell"(rig) {
    await using client = await connect(await rig.port("greeter"));
    expect(await client.line()).toBe("Who are you?");
    client.write("Ada Lovelace\n");
    expect(await client.line()).toMatch(
      /^Good day, Ada Lovelace\. You come from 127\.0\.0\.1, and it is \d\d:\d\d\.$/,
    );
    expect((await client.rest()).toString()).toBe("");
  },

  async "stdio-python"(rig) {
    expect(await ask(await rig.port("count"), "one two\nthree\n")).toBe("2 lines, 3 words, 14 bytes\n");
  },

  async "stdio-node"(rig) {
    const url = `http://127.0.0.1:${await rig.port("http")}/hello`;
    const response = await fetch(url, { headers: { connection: "close" } });
    expect(await response.json()).toEqual({ method: "GET", path: "/hello", from: "127.0.0.1" });
  },

  async "stdio-udp-shell"(rig) {
    await using client = await datagramClient();
    await client.send(await rig.port("measure"), "twelve bytes");
    const { data } = await client.receive();
    expect(data.toString()).toBe(`12 characters from 127.0.0.1 port ${client.socket.address().port}\n`);
  },

  async "stdio-udp-python"(rig) {
    await using client = await datagramClient();
    for (const [text, answer] of [
      ["7", "7"],
      ["0.5", "7.5"],
      ["what?", "a number, please"],
      ["bye", "bye"],
    ] as const) {
      await client.send(await rig.port("sum"), text);
      expect((await client.receive()).data.toString()).toBe(`${answer}\n`);
    }
  },
};

/** One process serves all who come, until tinetd ends it because nobody does. */
const workers: Readonly<Record<string, Talk>> = {
  async "wait-shell"(rig, since) {
    writeFileSync(join(rig.directory, "jobs"), "paint the fence\nhang the door\n");
    await rig.event("handler.stderr", { text: "job 1: paint the fence" }, since);
    await rig.event("handler.stderr", { text: "job 2: hang the door" }, since);
  },

  async "wait-python"(rig) {
    const port = await rig.port("tickets");
    await using one = await datagramClient();
    await using other = await datagramClient();
    // Both wait in the socket before the handler is there, or the second would depend on how long it stays.
    await Promise.all([one.send(port, "please"), other.send(port, "please")]);
    const tickets = await Promise.all([one.receive(), other.receive()]);
    expect(tickets.map(({ data }) => data.toString()).sort()).toEqual(["ticket 1\n", "ticket 2\n"]);
  },

  async "wait-c"(rig) {
    expect(await readAll(await rig.port("who"))).toMatch(/^process \d+, client 1\n$/);
  },

  async "wait-node"(rig) {
    const port = await rig.port("chat");
    await using ada = await connect(port);
    expect(await ada.line()).toBe("1 here");
    await using grace = await connect(port);
    expect(await grace.line()).toBe("2 here");
    ada.write("good morning\n");
    expect(await grace.line()).toBe("good morning");
  },

  async "listen-shell"(rig, since) {
    await run("logger", ["--socket", join(rig.directory, "messages"), "the fence is painted"]);
    await rig.event("handler.stderr", ({ text }) => /^message: .*: the fence is painted$/.test(text), since);
  },

  async "listen-python"(rig, since) {
    const response = await fetch(`http://127.0.0.1:${await rig.port("page")}/hello`);
    expect(await response.text()).toMatch(/^\/hello, after \d+ s\n$/);
    await rig.event("handler.ready", {}, since);
  },

  async "listen-c"(rig) {
    // Both knock before the worker is there, so both find the same.
    const ports = [await rig.port("house", 0), await rig.port("house", 1)];
    const [front = "", back] = await Promise.all(ports.map((port) => readAll(port)));
    expect(front).toMatch(/^the front door, process \d+\n$/);
    expect(back).toBe(front.replace("front", "back"));
  },

  async "listen-node"(rig) {
    const url = `http://127.0.0.1:${await rig.port("api")}/hello`;
    const response = await fetch(url, { headers: { connection: "close" } });
    expect(await response.json()).toEqual({ path: "/hello", requests: 1, pid: expect.any(Number) });
  },
};

describe.each(Object.entries(handlers))("%s", (name, talk) => {
  test("serves one client after the other", async () => {
    await using rig = await startExample(name);
    let since: { after?: Logged } = {};
    for (let round = 0; round < 2; round++) {
      await talk(rig, since);
      const exited = await rig.event("handler.exited", {}, since);
      expect(exited).toMatchObject({ code: 0, signal: null });
      since = { after: exited };
    }
  });
});

describe.each(Object.entries(workers))("%s", (name, talk) => {
  test("is started by the first client, goes when idle, and comes again", async () => {
    await using rig = await startExample(name);
    let since: { after?: Logged } = {};
    for (let round = 0; round < 3; round++) {
      await talk(rig, since);
      const { pid } = await rig.event("handler.started", {}, since);
      expect(await rig.event("handler.stopping", {}, since)).toMatchObject({ pid, reason: "idle_timeout" });
      since = { after: await rig.event("handler.exited", { pid }, since) };
    }
    expect((await rig.status()).services).toMatchObject([{ spawned: 3, start_failures: 0 }]);
  });
});

test("every example is run by a test, and its README names its address", () => {
  const names = readdirSync(folder, { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && !/^(pass-|mariadb$|proxy-redis$)/.test(entry.name),
  );
  expect(names.map(({ name }) => name).sort()).toEqual(Object.keys({ ...handlers, ...workers }).sort());
  for (const { name } of names) {
    const readme = readFileSync(join(folder, name, "README.md"), "utf8");
    const [, port, path] = /127\.0\.0\.1:(\d+)|(\/tmp\/tinetd-\w+)/.exec(configurationOf(name)) ?? [];
    expect(readme).toContain(port ?? path);
    expect(readFileSync(join(folder, "README.md"), "utf8")).toContain(`](${name})`);
  }
});

function configurationOf(name: string): string {
  return readFileSync(join(folder, name, "inetd.toml"), "utf8");
}

/** With free addresses, and from a copy: the checkout may be where the handler's user cannot go. */
function startExample(name: string): Promise<Rig> {
  return startDaemon(({ directory }) => {
    const copy = join(directory, name);
    cpSync(join(folder, name), copy, { recursive: true });
    if (name.endsWith("-c")) {
      const program = join(copy, "handler");
      execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-o", program, `${program}.c`]);
    }
    const text = configurationOf(name)
      .replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:0")
      .replaceAll("/tmp/tinetd-", `${directory}/`)
      .replace(`/opt/tinetd/examples/${name}`, copy);
    return name in workers ? text.replace('"1m"', '"500ms"') : text;
  });
}
