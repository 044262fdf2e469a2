/** `listen`: workers get all sockets of the service by the protocol of sd_listen_fds(3), and accept by themselves. */
import { readlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Client, connect, datagramClient } from "../rig/client.ts";
import { askReport, type HandlerReport } from "../rig/report.ts";
import { kinds } from "./clients.ts";
import { type AcceptorOptions, portOf, startAcceptor, startFailures, starts } from "./tools.ts";

describe("a worker is given", () => {
  test("all sockets in the order declared, with their names and its own pid, and nothing else", async () => {
    await using rig = await startAcceptor({
      handoff: "listen",
      listen: (directory) => `[
        { address = "unix:${directory}/second.sock", name = "zeta" },
        "127.0.0.1:0",
        { address = "udp://127.0.0.1:0", name = "alpha" },
        { address = "fifo:${directory}/pipe", name = "alpha" },
      ]`,
    });
    await using client = await connect(await portOf(rig, "tcp:"));
    const { pid } = await rig.event("handler.started");
    const report = await askReport(client);

    expect(report.pid).toBe(pid);
    expect(listenVariables(report)).toEqual({
      LISTEN_FDS: "4",
      LISTEN_FDNAMES: "zeta:it:alpha:alpha",
      LISTEN_PID: `${pid}`,
    });
    const stderr = readlinkSync(`/proc/${rig.pid}/fd/2`);
    const socket = expect.stringMatching(/^socket:/);
    const { descriptors } = report;
    expect(descriptors.slice(0, 7).map(({ fd, target }) => [fd, target])).toEqual([
      [0, "/dev/null"],
      [1, stderr],
      [2, stderr],
      [3, socket],
      [4, socket],
      [5, socket],
      [6, `${rig.directory}/pipe`],
    ]);
    expect(descriptors.filter((each) => each.closeOnExec)).toEqual(descriptors.slice(7));
    expect(await client.command("addresses")).toBe(
      `${rig.directory}/second.sock ${await portOf(rig, "tcp:")} ${await portOf(rig, "udp:")} -`,
    );
  });

  test("every socket that a name stands for", async () => {
    await using rig = await startAcceptor({ handoff: "listen", listen: "localhost:0" });
    // Logged after all listeners.
    await rig.event("daemon.ready");
    const addresses = rig.events.flatMap((event) =>
      event.event === "service.listening" ? [event.address] : [],
    );
    await using client = await connect(await rig.port("it"));
    const report = await askReport(client);
    expect(listenVariables(report)).toMatchObject({
      LISTEN_FDS: `${addresses.length}`,
      LISTEN_FDNAMES: addresses.map(() => "it").join(":"),
    });
  });

  test("no LISTEN_PID where that is left out, for wrappers", async () => {
    await using rig = await startAcceptor({
      handoff: "listen",
      listen: "127.0.0.1:0",
      keys: 'listen_pid = "omit"',
    });
    await using client = await connect(await rig.port("it"));
    expect(listenVariables(await askReport(client))).toEqual({ LISTEN_FDS: "1", LISTEN_FDNAMES: "it" });
  });
});

test("one worker serves the clients of all its sockets, also those that come at once", async () => {
  await using rig = await startAcceptor({
    handoff: "listen",
    listen: (directory) => `["127.0.0.1:0", "udp://127.0.0.1:0", "unix:${directory}/it.sock"]`,
  });
  await using udp = await datagramClient();
  await using tcp = await connect(await portOf(rig, "tcp:"));
  await using unix = await connect(`${rig.directory}/it.sock`);
  await udp.send(await portOf(rig, "udp:"), "index");
  expect(await tcp.command("index")).toBe("0");
  tcp.end();
  expect((await udp.receive()).data.toString()).toBe("1\n");
  expect(await unix.command("index")).toBe("2");
  await rig.event("handler.started");
  expect(await starts(rig)).toBe(1);
});

describe("several workers on one socket", () => {
  const four = { handoff: "listen", listen: "127.0.0.1:0", keys: "workers = { max = 4 }" } as const;

  test("another is started while clients wait, up to workers.max, and no further", async () => {
    await using rig = await startAcceptor(four);
    const port = await rig.port("it");
    // A worker serves one client at a time, so that each client but the first waits until there is one more worker.
    await using clients = await connectAll(port, 4);
    const pids = await Promise.all(clients.all.map((client) => client.command("pid")));
    expect(new Set(pids).size).toBe(4);

    await using fifth = await connect(port);
    const served = fifth.command("pid");
    clients.all[2]?.end();
    expect(await served).toBe(pids[2]);
    expect(await starts(rig)).toBe(4);
    expect(await startFailures(rig)).toBe(0);
  });

  test("one is enough as long as nobody waits", async () => {
    await using rig = await startAcceptor(four);
    const port = await rig.port("it");
    const pids = new Set<string>();
    for (let n = 0; n < 200; n++) {
      await using client = await connect(port);
      pids.add(await client.command("pid"));
    }
    expect(pids.size).toBe(1);
    expect(await starts(rig)).toBe(1);
  });

  test("one that ends does not take with it who waits for the others", async () => {
    await using rig = await startAcceptor(four);
    const port = await rig.port("it");
    await using clients = await connectAll(port, 4);
    await Promise.all(clients.all.map((client) => client.command("pid")));
    await using waiting = await connectAll(port, 8);
    const pids = waiting.all.map((client) => client.command("pid"));
    for (const client of clients.all) client.write("exit 0\n");
    for (const [index, client] of waiting.all.entries()) {
      expect(await pids[index]).toMatch(/^\d+$/);
      client.write("exit 0\n");
    }
    await Promise.all(waiting.all.map((client) => client.rest()));
    expect(await startFailures(rig)).toBe(0);
  });
});

describe.each(kinds)("$name", (kind) => {
  const once: AcceptorOptions = { handoff: "listen", listen: kind.listen, clients: 1 };

  test("whoever comes around the end of the last worker is served", async () => {
    await using rig = await startAcceptor(once);
    const rounds = kind.name === "TCP" ? 200 : 40;
    const pids: string[] = [];
    for (let n = 0; n < rounds; n++) {
      if (n % 3 === 0 && kind.name !== "FIFO") {
        pids.push(...(await Promise.all([kind.ask(rig, "pid"), kind.ask(rig, "pid")])));
      } else pids.push(await kind.ask(rig, "pid"));
    }
    expect(new Set(pids).size).toBe(pids.length);
    await rig.event("handler.exited", { pid: Number(pids.at(-1)) });
    expect(await startFailures(rig)).toBe(0);
  });

  test("a worker is told to stop when the service is", async () => {
    await using rig = await startAcceptor({ ...once, clients: 1000 });
    const pid = Number(await kind.ask(rig, "pid"));
    expect(await rig.stop()).toEqual({ code: 0, signal: null });
    expect(await rig.event("handler.stopping", { pid })).toMatchObject({ signal: "SIGTERM" });
    expect(await rig.event("handler.exited", { pid })).toMatchObject({ signal: "SIGTERM" });
  });
});

/** The port of the service's only address of that scheme. */
function listenVariables({ environment }: HandlerReport): Record<string, string> {
  const variables = environment.filter((entry) => entry.startsWith("LISTEN_"));
  return Object.fromEntries(variables.map((entry) => entry.split("=") as [string, string]));
}

async function connectAll(port: number, count: number): Promise<{ all: Client[] } & AsyncDisposable> {
  const all = await Promise.all(Array.from({ length: count }, () => connect(port)));
  return {
    all,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((client) => client[Symbol.asyncDispose]()));
    },
  };
}
