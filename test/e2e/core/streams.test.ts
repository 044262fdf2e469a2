/** Bytes of a `stdio` handler and its client, over every kind of stream socket. */
import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import { expect, test } from "vitest";
import { ask, connect, type Target } from "../rig/client.ts";
import { type Place, startDaemon } from "../rig/daemon.ts";
import { type Need, needs } from "../rig/needs.ts";
import type { Rig } from "../rig/rig.ts";
import { ipv6, startFixture } from "./tools.ts";

interface Kind {
  name: string;
  needs: Need[];
  listen(place: Place): string;
  /** Every address by which a client gets to it. */
  targets(rig: Rig): Promise<Target[]>;
}

const abstractName = (directory: string) => `@${basename(directory)}`;

const kinds: Kind[] = [
  {
    name: "TCP over IPv4",
    needs: [],
    listen: () => "127.0.0.1:0",
    targets: async (rig) => [await rig.port("service")],
  },
  {
    name: "TCP over IPv6",
    needs: [ipv6],
    listen: () => "[::1]:0",
    targets: async (rig) => [{ host: "::1", port: await rig.port("service") }],
  },
  {
    name: "TCP over both",
    needs: [ipv6],
    listen: () => "*:0",
    targets: async (rig) => {
      const port = await rig.port("service");
      return [
        { host: "127.0.0.1", port },
        { host: "::1", port },
      ];
    },
  },
  {
    name: "a Unix socket by path",
    needs: [],
    listen: ({ directory }) => `${directory}/service.sock`,
    targets: async ({ directory }) => [`${directory}/service.sock`],
  },
  {
    name: "an abstract Unix socket",
    needs: [],
    listen: ({ directory }) => `unix:${abstractName(directory)}`,
    targets: async ({ directory }) => [abstractName(directory)],
  },
];

const start = (kind: Kind, command: string) =>
  startDaemon((place) => `[services.service]\nlisten = "${kind.listen(place)}"\ncommand = "${command}"\n`);

for (const kind of kinds) {
  needs(...kind.needs)(`a megabyte comes back over ${kind.name}`, async () => {
    await using rig = await start(kind, "cat");
    const sent = randomBytes(1 << 20);
    for (const target of await kind.targets(rig)) {
      await using client = await connect(target);
      client.write(sent);
      client.end();
      expect(Buffer.compare(await client.rest(), sent)).toBe(0);
    }
  });

  needs(...kind.needs)(`a half-closed client gets its answer over ${kind.name}`, async () => {
    await using rig = await start(kind, "wc -c");
    for (const target of await kind.targets(rig)) {
      expect(await ask(target, "five!")).toBe("5\n");
    }
  });
}

test("what a client sent, and its end, before anybody accepted it is there for its handler", async () => {
  await using rig = await startFixture("max_instances = 1");
  const port = await rig.port("fixture");
  await using first = await connect(port);
  await rig.event("service.state", { state: "limited" });

  await using early = await connect(port);
  early.write("echo one\necho two\n");
  early.end();
  expect(await first.command("echo still the only one")).toBe("still the only one");
  first.end();
  expect((await early.rest()).toString()).toBe("one\ntwo\n");
});

test("a handler's end is the end of the connection, and a client's end that of the handler", async () => {
  await using rig = await startFixture();
  await using client = await connect(await rig.port("fixture"));
  client.write("write 300000\nexit 0\n");
  expect(await client.line()).toBe("x".repeat(300_000));
  expect((await client.rest()).toString()).toBe("");
  await rig.event("handler.exited", { code: 0 });

  await using other = await connect(await rig.port("fixture"));
  const { pid } = await rig.event("handler.started", ({ connection }) => connection === 2);
  other.end();
  expect(await rig.event("handler.exited", { pid })).toMatchObject({ code: 0, signal: null });
});
