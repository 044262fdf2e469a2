/** The whole of `stdio` over an upgrade, without the daemon around it: real handlers, and clients that go on talking. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import type { ServiceConfig } from "../../../src/config/config.ts";
import type {
  Connection,
  HandoffHost,
  LaunchRequest,
  RestoredHandler,
} from "../../../src/handoff/handoff.ts";
import { createHandoff } from "../../../src/handoff/index.ts";
import { restoreConnection, saveConnection } from "../../../src/handoff/saved.ts";
import { UdpPeers } from "../../../src/handoff/udp-peers.ts";
import type { Saved } from "../../../src/native/carry.ts";
import { type Fd, READABLE } from "../../../src/native/sys.ts";
import { constant } from "../../../src/net/constants.ts";
import { Ends, type HeldConnection, type OnEnd } from "../../../src/net/ends.ts";
import type { BoundListener } from "../../../src/net/listen.ts";
import { nullDevice, plan, sys } from "../../native/support.ts";
import { manualClock } from "../../unit/util/manual-clock.ts";
import { open, port, tcp, udp, workplace } from "../net/support.ts";
import { connect } from "../rig/client.ts";
import { eventually } from "../rig/proc.ts";
import { udpPeer } from "../udp/peers.ts";

workplace();

const cat = sys.prepare(plan({ file: "/bin/cat", argv: ["cat"] }));

interface Running extends RestoredHandler {
  connection: Connection | null;
  pidfd: Fd;
}

/** What a service is for its handoff, as far as it matters here. */
async function setUp(config: Partial<ServiceConfig>, endpoints: ReturnType<typeof tcp>[]) {
  const listeners: BoundListener[] = [];
  for (const endpoint of endpoints) listeners.push((await open(endpoint))[0]);
  const time = manualClock();
  const diag = sys.socket("netlink", "raw", constant(sys, "NETLINK_SOCK_DIAG"));
  let ends = new Ends(sys, time.clock, diag);
  const handlers = new Map<number, Running>();
  const stops: string[] = [];
  const ended: number[] = [];
  /** What the kernel would say, by SO_COOKIE. */
  const kernel = { idleMs: 0, cookies: new Set<string>() };
  const state = { room: Number.POSITIVE_INFINITY, isStopped: false };
  let connections = 0;

  const launch = ({ arrange, connection }: LaunchRequest) => {
    const { descriptors, variables } = arrange({
      nothing: nullDevice,
      stderr: nullDevice,
      chosen: new Set(),
    });
    const { pid, pidfd } = sys.spawn(cat, descriptors, variables);
    const handler: Running = {
      pid,
      pidfd,
      connection: connection?.remember() ?? null,
      wasReady: true,
      isStopping: false,
      worked: () => {},
      rested: () => {},
      saysReady: () => {},
      freeze: () => {},
      thaw: () => {},
      stop: (reason) => stops.push(`${pid} ${reason}`),
    };
    handlers.set(pid, handler);
    const watch = sys.watch(pidfd, () => {
      watch.close();
      sys.wait(pidfd);
      sys.close(pidfd);
      handlers.delete(pid);
      ended.push(pid);
      handoff.gone(handler, false);
      handoff.resume();
    });
    watch.start(READABLE);
    return { ok: true as const, value: handler };
  };
  const mayGoOn = () => handlers.size < state.room;
  const host = {
    config: {
      handoff: "stdio",
      connectionFd: 0,
      stopTimeout: 1_000,
      listeners: endpoints.map((endpoint) => ({ endpoint })),
      ...config,
    },
    sys,
    clock: time.clock,
    listeners: () => listeners,
    mayGoOn,
    mayStart: mayGoOn,
    isStopped: () => state.isStopped,
    admit: () => null,
    room: () => Number.POSITIVE_INFINITY,
    nextConnection: () => ++connections,
    launch: (requests: readonly LaunchRequest[]) => requests.map(launch),
    rewatch: () => {},
    turnAway: () => {},
    keep: () => {},
    release: (then: () => void) => then(),
    watchEnd: (connection: HeldConnection, onEnd: OnEnd) => ends.watch(connection, onEnd),
    resumeEnd: (saved: Saved, onEnd: OnEnd) => ends.resume(saved, onEnd),
    tcpIdleMs: () => new Map([...kernel.cookies].map((cookie) => [cookie, kernel.idleMs])),
    livingTcp: () => kernel.cookies,
    livingUnix: () => new Map(),
  };
  /** As another process has it. */
  const create = () =>
    createHandoff("stdio", { ...host, peers: new UdpPeers(() => true) } as unknown as HandoffHost);
  let handoff = create();
  let watches = listeners.map((listener) => {
    const watch = sys.watch(listener.fd, () => handoff.readable(listener));
    watch.start(READABLE);
    return watch;
  });

  /** Closes all that the handoff has of its own. */
  const throwAway = () => {
    state.isStopped = true;
    for (const listener of listeners) handoff.closing(listener);
    state.isStopped = false;
    ends.close();
  };

  const running = {
    ports: listeners.map(port),
    time,
    handlers,
    stops,
    ended,
    kernel,
    state,
    /** Another process goes on. `meanwhile` is what happens when the old one has saved. */
    upgrade(meanwhile: () => void = () => {}) {
      const carry = (fd: Fd) => sys.dup(fd);
      handoff.save((fd) => fd);
      const saved = {
        handoff: handoff.save(carry),
        ends: ends.save(carry),
        connections: [...handlers].map(([pid, { connection }]) => ({
          pid,
          connection: connection === null ? null : saveConnection(connection),
        })),
      };
      const then = JSON.parse(JSON.stringify(saved)) as typeof saved;
      expect(then).toEqual(saved);
      throwAway();
      time.forget();
      meanwhile();

      const claim = (fd: Fd) => fd;
      ends = new Ends(sys, time.clock, diag, { state: then.ends, claim });
      for (const { pid, connection } of then.connections) {
        const handler = handlers.get(pid);
        if (handler === undefined || connection === null) throw new Error("a handler without a connection");
        handler.connection = restoreConnection(connection, host, () => {});
      }
      handoff = create();
      handoff.restore(then.handoff, { claim, handlers, listeners });
    },
    traffic: () => [...handlers.values()].map(({ connection }) => connection?.traffic ?? null),
    async close() {
      for (const watch of watches) watch.close();
      watches = [];
      for (const { pid } of handlers.values()) process.kill(pid, "SIGKILL");
      await eventually("all handlers have ended", () => handlers.size === 0);
      throwAway();
      sys.close(diag);
    },
  };
  toClose.push(running.close);
  return running;
}

const toClose: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0)) await close();
});

test("a UDP peer stays with its handler, and all is counted as that of one connection", async () => {
  const it = await setUp({ idleTimeout: 60_000 }, [udp()]);
  const [port = 0] = it.ports;
  await using peer = await udpPeer();
  expect((await peer.ask(port, "one")).text).toBe("one");
  it.upgrade();
  expect((await peer.ask(port, "two")).text).toBe("two");
  it.upgrade(() => void peer.send(port, "three"));
  expect((await peer.receive()).text).toBe("three");
  expect(it.traffic()).toEqual([
    { bytesIn: 11, bytesOut: 11, datagramsIn: 3, datagramsOut: 3, datagramsDropped: 0 },
  ]);
  // The end of file, after which the peer's next datagram starts another.
  it.time.pass(60_000);
  await eventually("it has ended", () => it.ended.length === 1);
  expect((await peer.ask(port, "four")).text).toBe("four");
  expect(it.traffic()).toMatchObject([{ datagramsIn: 1 }]);
});

test("a UDP peer that waits for a handler gets one when there is room, with all that it has sent", async () => {
  const it = await setUp({ idleTimeout: 60_000 }, [udp(), udp()]);
  const [first = 0, second = 0] = it.ports;
  await using served = await udpPeer();
  await using waits = await udpPeer();
  it.state.room = 1;
  expect((await served.ask(second, "here")).text).toBe("here");
  await waits.send(second, "one");
  // The socket is read in order: this one comes after.
  expect((await served.ask(second, "still here")).text).toBe("still here");
  it.upgrade();
  await waits.send(second, "two");
  expect((await served.ask(second, "and still")).text).toBe("and still");
  expect(it.handlers.size).toBe(1);
  it.time.pass(60_000);
  expect(await waits.texts(2)).toEqual(["one", "two"]);
  expect(it.ended).toHaveLength(1);
  it.state.room = 2;
  expect((await waits.ask(first, "another address")).text).toBe("another address");
});

test("what the handler of a UDP peer has not read when it ends in between goes to the next one", async () => {
  const it = await setUp({}, [udp()]);
  const [port = 0] = it.ports;
  await using peer = await udpPeer();
  await peer.ask(port, "one");
  const [pid = 0] = it.handlers.keys();
  process.kill(pid, "SIGSTOP");
  await eventually("it has stopped", () => readFileSync(`/proc/${pid}/stat`, "latin1").includes(") T "));
  await peer.send(port, "two");
  await eventually("it is given", () => it.traffic()[0]?.datagramsIn === 2);
  it.upgrade(() => process.kill(pid, "SIGKILL"));
  expect((await peer.receive()).text).toBe("two");
  expect(it.ended).toEqual([pid]);
});

test("TCP handlers stay watched for their idle time and for their clients", async () => {
  const it = await setUp({ idleTimeout: 10_000, onDisconnect: "stop" }, [tcp()]);
  const [port = 0] = it.ports;
  await using client = await connect(port);
  expect(await client.command("hello")).toBe("hello");
  const [[pid, handler] = [0, null]] = it.handlers;
  const end = handler?.connection?.end?.save() as { cookie: string } | undefined;
  it.kernel.cookies.add(end?.cookie ?? "none");
  it.upgrade();
  expect(await client.command("again")).toBe("again");
  for (let second = 0; second < 20; second++) it.time.pass(1_000);
  expect(it.stops).toEqual([]);
  it.kernel.idleMs = 10_000;
  it.time.pass(1_000);
  it.time.pass(1_000);
  expect(it.stops).toEqual([`${pid} idle_timeout`]);
  it.upgrade();
  it.kernel.cookies.clear();
  it.time.pass(1_000);
  it.time.pass(1_000);
  expect(it.stops.splice(1)).toEqual([`${pid} the client has gone`]);
});

test("a client that says nothing over two upgrades is served when he speaks", async () => {
  const it = await setUp({ wakeOn: "data", firstByteTimeout: 60_000 }, [tcp()]);
  const [port = 0] = it.ports;
  await using client = await connect(port);
  await eventually("he is waited for", () => it.time.pending() === 1);
  it.upgrade();
  it.upgrade(() => client.write("hello\n"));
  expect(await client.line()).toBe("hello");
  client.end();
  await once(client.socket, "end");
});
