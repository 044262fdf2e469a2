/** `daemon.max_connections`: one limit over all services. */
import { expect, test } from "vitest";
import { type Client, connect, readAll } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import type { Rig } from "../rig/rig.ts";

const startTwo = (most: number, keys = ""): Promise<Rig> =>
  startDaemon(({ fixture }) => {
    const service = (name: string) => `
[services.${name}]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"
${keys}
`;
    return `[daemon]\nmax_connections = ${most}\n${service("one")}${service("other")}`;
  });

test("queue: clients of any service wait until a connection of any service ends", async () => {
  await using rig = await startTwo(2);
  const [one, other] = [await rig.port("one"), await rig.port("other")];
  await using first = await connect(one);
  await using second = await connect(one);
  const limited = await rig.event("service.state", { service: "one", state: "limited" });
  expect(limited.reason).toBe("total");

  await using waiting = await connect(other);
  waiting.write("echo served\n");
  await rig.event("service.state", { service: "other", state: "limited" });
  expect((await rig.status()).daemon.connections).toBe(2);
  second.end();
  expect(await waiting.line()).toBe("served");
  expect(await first.command("echo undisturbed")).toBe("undisturbed");
  expect((await rig.status()).daemon.connections).toBe(2);
  expect(await counts(rig)).toEqual([
    { accepted: 2, refused: {} },
    { accepted: 1, refused: {} },
  ]);
});

test("queue: where two services wait for one place, nobody is refused and all are served in the end", async () => {
  await using rig = await startTwo(1);
  const ports = [await rig.port("one"), await rig.port("other")];
  const clients = await Promise.all(ports.flatMap((port) => Array.from({ length: 10 }, () => connect(port))));
  await Promise.all(clients.map(talk));
  expect(await counts(rig)).toEqual([
    { accepted: 10, refused: {} },
    { accepted: 10, refused: {} },
  ]);

  async function talk(client: Client, index: number): Promise<void> {
    await using closing = client;
    expect(await closing.command(`echo ${index}`)).toBe(`${index}`);
    closing.end();
    await closing.rest();
  }
});

test("refuse: the client of the other service is told", async () => {
  await using rig = await startTwo(1, 'on_limit = "refuse"\nrefusal = "full"');
  await using client = await connect(await rig.port("one"));
  await client.command("echo here");
  expect(await readAll(await rig.port("other"))).toBe("full");
  expect(await rig.event("connection.refused")).toMatchObject({ service: "other", reason: "total" });
  client.end();
  await rig.event("connection.closed");
  await using next = await connect(await rig.port("other"));
  expect(await next.command("echo here")).toBe("here");
});

async function counts(rig: Rig) {
  return (await rig.status()).services.map(({ accepted, refused }) => ({ accepted, refused }));
}
