/** What is logged, and what is kept out of it. */
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadSys } from "../../../src/native/sys.ts";
import { ask, connect } from "../rig/client.ts";
import { getJson } from "../rig/control.ts";
import { startDaemon } from "../rig/daemon.ts";
import type { Logged } from "../rig/event-log.ts";

const sys = loadSys();

/** An address that is the client's alone: the daemon's own is 127.0.0.1. */
const client = "127.77.88.99";

/** Connects from there, and waits until the server has ended the connection. */
async function visit(port: number): Promise<void> {
  const socket = createConnection({ host: "127.0.0.1", port, localAddress: client });
  socket.end("x");
  await end(socket);
}

/** However it comes about: who is refused may be reset. */
function end(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket
      .on("error", () => {})
      .on("close", () => resolve())
      .resume();
  });
}

test.each([
  ["full", `tcp://${client}:`],
  ["prefix", "tcp://127.77.88.0/24"],
  ["none", "-"],
])('log.addresses = "%s"', async (choice, shown) => {
  await using rig = await startDaemon(
    `[daemon]\nlog = { addresses = "${choice}" }
     [services.in]\nlisten = "127.0.0.1:0"\ncommand = "cat"
     [services.out]\nlisten = "127.0.0.1:0"\ncommand = "/bin/false"\nuser = "root"\nworking_directory = "/nonexistent"`,
  );
  await visit(await rig.port("in"));
  const accepted = await rig.event("connection.accepted", { service: "in" });
  const closed = await rig.event("connection.closed", { service: "in" });
  for (const { remote, msg } of [accepted, closed]) {
    expect(remote.startsWith(shown)).toBe(true);
    expect(msg).toContain(`from ${remote}`);
  }
  expect(accepted.local).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
  await rig.stop();
  const all = [...rig.events.map((event) => JSON.stringify(event)), ...rig.otherLines].join("\n");
  expect(all.includes(client)).toBe(choice === "full");
});

test("a refusal has no more of the address than anything else", async () => {
  await using rig = await startDaemon(
    `[daemon]\nlog = { addresses = "prefix" }
     [services.s]\nlisten = "127.0.0.1:0"\ncommand = "cat"\nmax_instances = 1\non_limit = "refuse"`,
  );
  const port = await rig.port("s");
  await using _first = await connect(port);
  await rig.event("connection.accepted");
  await visit(port);
  const refused = await rig.event("connection.refused");
  expect(refused).toMatchObject({
    remote: "tcp://127.77.88.0/24",
    msg: '"s" refused tcp://127.77.88.0/24: limit',
  });
});

test("a flood of refusals is summarised, and every one of them counted", async () => {
  await using rig = await startDaemon(
    '[services.s]\nlisten = "127.0.0.1:0"\ncommand = "cat"\nmax_instances = 1\non_limit = "refuse"',
  );
  const port = await rig.port("s");
  await using _first = await connect(port);
  await rig.event("connection.accepted");
  const count = 400;
  // All of them in the backlog at once, so that they are refused one behind the other.
  rig.signal("SIGSTOP");
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = createConnection({ host: "127.0.0.1", port });
      await once(socket, "connect");
      return socket;
    }),
  );
  const gone = sockets.map(end);
  rig.signal("SIGCONT");
  await Promise.all(gone);
  const refused = (await rig.status()).services.find(({ name }) => name === "s")?.refused;
  expect(refused).toEqual({ limit: count });
  await rig.stop();
  const lines = rig.events.filter((event) => event.event === "connection.refused") as Suppressible[];
  const summaries = lines.filter(({ suppressed }) => suppressed !== undefined);
  expect(summaries.length).toBeGreaterThan(0);
  const told = lines.reduce((sum, { suppressed }) => sum + (suppressed ?? 1), 0);
  expect(told).toBe(count);
  expect(lines.length).toBeLessThan(count);
  for (const { msg, reason, level } of summaries) {
    expect({ reason, level }).toEqual({ reason: "limit", level: "warn" });
    expect(msg).toMatch(/: limit \(the last of \d+ that were not logged, in .*s\)$/);
  }
});

type Suppressible = Logged<"connection.refused"> & { suppressed?: number };

test("services say how much of them is logged", async () => {
  await using rig = await startDaemon(
    ({ directory }) => `[services.all]\nlisten = "${directory}/all.sock"\ncommand = "cat"
     [services.failures]\nlog = "failures"\nlisten = "${directory}/failures.sock"\ncommand = ["sh", "-c", "kill -9 $$"]
     [services.none]\nlog = "none"\nlisten = "${directory}/none.sock"\ncommand = ["sh", "-c", "kill -9 $$"]`,
  );
  const at = (name: string) => join(rig.directory, `${name}.sock`);
  expect(await ask(at("none"), "")).toBe("");
  expect(await ask(at("failures"), "")).toBe("");
  expect(await ask(at("all"), "hello")).toBe("hello");
  await rig.event("connection.closed", { service: "all" });
  await rig.stop();
  const of = (service: string) =>
    rig.events.flatMap((event) => ("service" in event && event.service === service ? [event.event] : []));
  expect(of("none")).toEqual([]);
  expect(of("failures")).toEqual(["handler.exited"]);
  expect(of("all")).toEqual(
    expect.arrayContaining([
      "service.listening",
      "connection.accepted",
      "handler.exited",
      "connection.closed",
    ]),
  );
});

test("a Unix client cannot forge a line by the path it is bound to", async () => {
  await using rig = await startDaemon(
    ({ directory }) => `[services.s]\nlisten = "${directory}/s.sock"\ncommand = "cat"`,
  );
  await rig.address("s");
  const fd = sys.socket("unix", "stream");
  sys.bind(fd, { family: "unix", path: `${rig.directory}/a\nb\u001b[31m` });
  sys.connect(fd, { family: "unix", path: `${rig.directory}/s.sock` });
  const { remote } = await rig.event("connection.accepted");
  sys.close(fd);
  expect(remote).toBe(`unix:${rig.directory}/a?b?[31m`);
  // Nor where nothing is logged: whoever asks the daemon has it on a terminal too.
  const { events } = (await getJson(rig.controlSocket, "/v1/services/s")) as {
    events: { remote?: string }[];
  };
  const remotes = events.flatMap((event) => (event.remote === undefined ? [] : [event.remote]));
  expect(new Set(remotes)).toEqual(new Set([remote]));
});

test("what a handler writes to stderr is cut and cleaned", async () => {
  await using rig = await startDaemon(
    ({ directory }) => `[services.s]\nlisten = "${directory}/s.sock"\nstderr = "log"
     command = ["sh", "-c", "printf 'red \\\\033[31m \\\\r\\\\n' >&2; head -c 5000 /dev/zero | tr '\\\\0' x >&2"]`,
  );
  await rig.address("s");
  await ask(join(rig.directory, "s.sock"), "");
  const first = await rig.event("handler.stderr");
  expect(first.text).toBe("red ?[31m ?");
  const second = await rig.event("handler.stderr", {}, { after: first });
  expect(second.text).toBe("x".repeat(1024));
});
