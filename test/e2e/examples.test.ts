/** Each folder of `examples` does what its README says, on its own configuration but for the port. */
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ask, connect, datagramClient } from "./rig/client.ts";
import { startDaemon } from "./rig/daemon.ts";
import { repository } from "./rig/fixtures.ts";
import type { Rig } from "./rig/rig.ts";

const folder = join(repository, "examples");

/** What a client of each example does. */
const clients: Readonly<Record<string, (rig: Rig) => Promise<void>>> = {
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

for (const [name, talk] of Object.entries(clients)) {
  test(`${name} serves one client after the other`, async () => {
    await using rig = await startExample(name);
    for (let round = 0; round < 2; round++) {
      const previous = rig.events.at(-1);
      await talk(rig);
      const exited = await rig.event("handler.exited", {}, previous === undefined ? {} : { after: previous });
      expect(exited).toMatchObject({ code: 0, signal: null });
    }
  });
}

test("every example is run by a test, and its README names its port", () => {
  expect(readdirSync(folder).sort()).toEqual(Object.keys(clients).sort());
  for (const name of Object.keys(clients)) {
    const port = /127\.0\.0\.1:(\d+)/.exec(configurationOf(name))?.[1];
    expect(readFileSync(join(folder, name, "README.md"), "utf8")).toContain(`127.0.0.1:${port}`);
  }
});

function configurationOf(name: string): string {
  return readFileSync(join(folder, name, "inetd.toml"), "utf8");
}

/** With a free port, and from a copy: the checkout may be where the handler's user cannot go. */
function startExample(name: string): Promise<Rig> {
  return startDaemon(({ directory }) => {
    const copy = join(directory, name);
    cpSync(join(folder, name), copy, { recursive: true });
    return configurationOf(name)
      .replace(/127\.0\.0\.1:\d+/, "127.0.0.1:0")
      .replace(`/opt/tinetd/examples/${name}`, copy);
  });
}
