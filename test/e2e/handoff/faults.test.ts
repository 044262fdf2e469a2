/** Handlers that accept by themselves and do it badly: nobody who comes is harmed for longer than they do. */
import { constants, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { sys } from "../../native/support.ts";
import { connect, datagramClient } from "../rig/client.ts";
import { askReport } from "../rig/report.ts";
import type { Rig } from "../rig/rig.ts";
import { kind, kinds } from "./clients.ts";
import { noHandlerLeft, startAcceptor, startFailures, startFaulty, starts } from "./tools.ts";

const handoffs = ["wait", "listen"] as const;
const connections = kinds.filter(({ name }) => ["TCP", "Unix stream", "Unix seqpacket"].includes(name));
const datagrams = kinds.filter(({ name }) => name === "UDP" || name === "Unix datagrams");

describe.each(handoffs)("%s: a handler that takes nothing", (handoff) => {
  test.each([...connections, kind("FIFO")])(
    "from $name is tried a few times, then left alone for a while, and the client is served in the end",
    async (socket) => {
      const { rig, mend } = await startFaulty({
        handoff,
        listen: socket.listen,
        keys: 'start_limit = "3/10s"',
      });
      await using _ = rig;
      const asked = socket.ask(rig, "pid");
      const failed = await rig.event("service.state", { state: "failed" });
      expect(failed.reason).toMatch(/took nothing from its socket/);
      expect(failed.until_ms).toBeGreaterThan(0);
      // Over TCP the first is believed: telling costs more than a start.
      const tried = socket.name === "TCP" ? 4 : 3;
      expect(rig.startsBefore(failed)).toBe(tried);
      expect(await startFailures(rig)).toBeGreaterThanOrEqual(3);

      mend();
      const pid = Number(await asked);
      await rig.event("handler.started", { pid }, { after: failed });
    },
  );
});

describe.each(datagrams)("a datagram over $name that no handler takes", (socket) => {
  test("is dropped after three tries, with its size and sender in the event, and the next is served", async () => {
    const { rig, mend } = await startFaulty({ handoff: "wait", listen: socket.listen });
    await using _ = rig;
    await socket.leave(rig, "x".repeat(1234));
    const refused = await rig.event("connection.refused", { reason: "error" });
    expect(refused.error).toBe("datagram of 1234 bytes dropped: 3 handlers have not taken it");
    expect(refused.remote).toMatch(
      socket.name === "UDP" ? /^udp:\/\/127\.0\.0\.1:\d+$/ : /^unix-dgram:@tinetd-/,
    );
    expect(await starts(rig)).toBe(3);

    mend();
    const pid = await socket.ask(rig, "pid");
    expect((await rig.event("handler.started", {}, { after: refused })).pid).toBe(Number(pid));
    expect(await starts(rig)).toBe(4);
  });
});

const { SOL_SOCKET, SO_KEEPALIVE, SO_RCVLOWAT, SO_PRIORITY, IPPROTO_TCP, TCP_NODELAY } = sys.constants;
const { IPPROTO_IP, IP_TTL, SO_BROADCAST } = sys.constants;

describe.each(handoffs)("%s: what a handler has changed is put right for the next one", (handoff) => {
  test("options of a TCP listener, declared and not, and whether it blocks", async () => {
    await using rig = await startAcceptor({
      handoff,
      listen: '{ address = "127.0.0.1:0", keep_alive = true, priority = 4 }',
    });
    const port = await rig.port("it");
    const options = [
      { name: `${SOL_SOCKET} ${SO_KEEPALIVE}`, right: "1", wrong: "0" },
      { name: `${SOL_SOCKET} ${SO_PRIORITY}`, right: "4", wrong: "2" },
      { name: `${SOL_SOCKET} ${SO_RCVLOWAT}`, right: "1", wrong: "1000" },
      { name: `${IPPROTO_TCP} ${TCP_NODELAY}`, right: "0", wrong: "1" },
    ];
    {
      await using client = await connect(port);
      for (const { name, right, wrong } of options) {
        expect(await client.command(`get ${name}`)).toBe(right);
        expect(await client.command(`set ${name} ${wrong}`)).toBe("done");
        expect(await client.command(`get ${name}`)).toBe(wrong);
      }
      expect(await client.command("nonblock")).toBe("done");
      expect(listenerFlags(rig, port) & constants.O_NONBLOCK).not.toBe(0);
      client.write("exit 0\n");
      await client.rest();
    }
    await noHandlerLeft(rig);
    await using next = await connect(port);
    for (const { name, right } of options) expect(await next.command(`get ${name}`)).toBe(right);
    await rig.event("handler.started", {}, { after: await rig.event("handler.exited") });
    const { descriptors } = await askReport(next);
    expect(descriptors.filter(({ flags }) => (flags & constants.O_NONBLOCK) !== 0)).toEqual([]);
    expect(rig.events.filter(({ event }) => event === "service.failed")).toEqual([]);
  });

  test("options of a datagram socket", async () => {
    await using rig = await startAcceptor({
      handoff,
      listen: '{ address = "udp://127.0.0.1:0", ttl = 9 }',
      clients: 6,
    });
    const udp = kind("UDP");
    const options = [
      { name: `${IPPROTO_IP} ${IP_TTL}`, right: "9", wrong: "3" },
      { name: `${SOL_SOCKET} ${SO_BROADCAST}`, right: "0", wrong: "1" },
    ];
    for (const { name, right, wrong } of options) {
      expect(await udp.ask(rig, `get ${name}`)).toBe(right);
      expect(await udp.ask(rig, `set ${name} ${wrong}`)).toBe("done");
      expect(await udp.ask(rig, `get ${name}`)).toBe(wrong);
    }
    const exited = await rig.event("handler.exited");
    for (const { name, right } of options) expect(await udp.ask(rig, `get ${name}`)).toBe(right);
    await rig.event("handler.started", {}, { after: exited });
  });

  test.each(kinds.filter(({ name }) => name !== "FIFO"))(
    "a socket over $name that was shut down is opened again where it was, and the next client is served",
    async (socket) => {
      await using rig = await startAcceptor({ handoff, listen: socket.listen, clients: 1 });
      const address = await rig.address("it");
      // Of a datagram socket that is shut down no answer can be sent.
      if (datagrams.includes(socket)) await socket.leave(rig, "shutdown");
      else expect(await socket.ask(rig, "shutdown")).toBe("done");
      const exited = await rig.event("handler.exited");
      const again = await rig.event("service.listening", {}, { after: exited });
      expect(again.address).toBe(address);
      const pid = await socket.ask(rig, "pid");
      expect((await rig.event("handler.started", {}, { after: again })).pid).toBe(Number(pid));
    },
  );
});

test("a UDP socket that a handler has connected to its client serves others again", async () => {
  await using rig = await startAcceptor({ handoff: "wait", listen: "udp://127.0.0.1:0", clients: 1 });
  const port = await rig.port("it");
  await using client = await datagramClient();
  await client.send(port, `reach ${client.socket.address().port}`);
  expect((await client.receive()).data.toString()).toBe("done\n");
  const failed = await rig.event("service.failed");
  expect(failed.reason).toMatch(/a handler has changed the peer/);
  await rig.event("service.listening", { address: `udp://127.0.0.1:${port}` }, { after: failed });
  expect(await kind("UDP").ask(rig, "pid")).toMatch(/^\d+$/);
});

/** The flags of the daemon's own descriptor of a TCP listener: they are those of the open file, which all share. */
function listenerFlags(rig: Rig, port: number): number {
  const inodes = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, local = "", , state]) => state === "0A" && Number.parseInt(local.split(":")[1] ?? "", 16) === port,
    )
    .map((fields) => fields[9]);
  for (const fd of readdirSync(`/proc/${rig.pid}/fd`)) {
    if (readlinkSync(`/proc/${rig.pid}/fd/${fd}`) !== `socket:[${inodes[0]}]`) continue;
    return Number.parseInt(
      /^flags:\t(\d+)$/m.exec(readFileSync(`/proc/${rig.pid}/fdinfo/${fd}`, "utf8"))?.[1] ?? "",
      8,
    );
  }
  throw new Error(`the daemon has no listener at port ${port}`);
}
