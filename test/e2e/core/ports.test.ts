/** TCP listeners that cannot be bound: named, tried again, and nobody else's trouble. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { expect, test } from "vitest";
import { ask } from "../rig/client.ts";
import { startDaemon } from "../rig/daemon.ts";
import { statusOf } from "./tools.ts";

test("a port in use: the failure names who has it, the rest serves, and it is bound once it is free", async () => {
  await using taken = await takePort();
  await using alsoTaken = await takePort();
  await using rig = await startDaemon(`
[services.blocked]
listen  = "127.0.0.1:${taken.port}"
command = "cat"

[services.half]
listen  = ["127.0.0.1:${alsoTaken.port}", "127.0.0.1:0"]
command = "cat"`);
  const reason = `address in use by pid ${process.pid}`;
  for (const [service, { port }] of Object.entries({ blocked: taken, half: alsoTaken })) {
    const failed = await rig.event("service.failed", { service });
    expect(failed).toMatchObject({ level: "error", address: `tcp://127.0.0.1:${port}`, retry_ms: 1000 });
    expect(failed.reason).toContain(reason);
  }
  const blocked = await statusOf(rig, "blocked");
  expect(blocked).toMatchObject({ state: "failed", listeners: [] });
  expect(blocked.failure).toMatch(new RegExp(`${reason}, retrying in \\ds$`));
  const half = await statusOf(rig, "half");
  expect(half).toMatchObject({ state: "listening", listeners: [{ name: "half" }] });
  expect(half.failure).toContain(reason);
  expect(await ask(await rig.port("half"), "served")).toBe("served");

  await taken.release();
  const recovered = await rig.event("service.recovered");
  expect(recovered).toMatchObject({ service: "blocked", address: `tcp://127.0.0.1:${taken.port}` });
  expect(await ask(taken.port, "served")).toBe("served");
  expect((await statusOf(rig, "blocked")).failure).toBeNull();
});

test("a list is bound as one service, each listener with its address and name", async () => {
  await using rig = await startDaemon(`
[services.many]
listen  = ["127.0.0.1:0", { address = "127.0.0.1:0", name = "second" }]
command = ["sh", "-c", "echo $TCPLOCALPORT"]`);
  const { listeners } = await statusOf(rig);
  expect(listeners.map(({ name }) => name)).toEqual(["many", "second"]);
  for (const [index, { address }] of listeners.entries()) {
    const port = await rig.port("many", index);
    expect(address).toBe(`tcp://127.0.0.1:${port}`);
    expect(await ask(port, "")).toBe(`${port}\n`);
  }
});

interface TakenPort extends AsyncDisposable {
  port: number;
  release(): Promise<void>;
}

/** A port of loopback that this process listens on. */
async function takePort(): Promise<TakenPort> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const release = () => close(server);
  return { port: (server.address() as AddressInfo).port, release, [Symbol.asyncDispose]: release };
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  await once(server, "close");
}
