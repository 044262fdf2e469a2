/** `proxy` taken up by another process at any moment: what is relayed, who waits, and what becomes of the daemon. */
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { SavedProxy } from "../../../src/handoff/proxy.ts";
import type { BoundListener } from "../../../src/net/listen.ts";
import type { Peer, Sum } from "../../native/peer.ts";
import { isClosed, open, tcp, workplace } from "../net/support.ts";
import { eventually } from "../rig/proc.ts";
import { type Circumstances, Proxied } from "./proxied.ts";

const { path } = workplace();

let count = 0;

async function start(
  config: Circumstances["config"] = {},
  kind: "tcp" | "unix" = "tcp",
): Promise<Proxied & { listener: BoundListener }> {
  count += 1;
  const [listener] = await open(kind === "tcp" ? tcp() : { kind, path: path(`listen-${count}`) });
  const it = new Proxied({ listener, upstream: path(`daemon-${count}`), config });
  return Object.assign(it, { listener });
}

async function said(peer: Peer, length: number): Promise<Sum> {
  const sum = await peer.writeRandom(length);
  peer.end();
  return sum;
}

/** Other things get their turns in between. */
async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await setImmediate();
}

async function read(peer: Peer): Promise<string> {
  return Buffer.from((await peer.read()) ?? "the end").toString();
}

describe("what is relayed", () => {
  test.each(["tcp", "unix"] as const)("goes on, with megabytes under way both ways: %s", async (kind) => {
    using it = await start({}, kind);
    const { client, daemon } = await it.pair();
    const length = 20_000_000;
    let upgrades = 0;
    let unsent = 0;
    const upgrade = async () => {
      while (it.ended.length === 0) {
        const { relays } = JSON.parse(it.upgrade());
        for (const { relay } of relays.open) unsent += relay.up.unsent + relay.down.unsent;
        upgrades += 1;
        await turns(1 + (upgrades % 9));
      }
    };
    const [up, down, heardUp, heardDown] = await Promise.all([
      said(client, length),
      said(daemon, length),
      daemon.readAll(),
      client.readAll(70_000, () => turns(5)),
      upgrade(),
    ]);
    expect([heardUp, heardDown]).toEqual([up, down]);
    expect(await it.end()).toEqual({
      id: 1,
      pid: it.worker.pid,
      bytes: { received: length, sent: length },
      error: undefined,
    });
    expect(upgrades).toBeGreaterThan(10);
    expect(unsent).toBeGreaterThan(0);
  });

  test.each(["client", "daemon"] as const)("may be half-closed: the %s has said all", async (early) => {
    using it = await start();
    const pair = await it.pair();
    const [first, second] = early === "client" ? [pair.client, pair.daemon] : [pair.daemon, pair.client];
    const question = said(first, 3_000);
    expect(await second.readAll()).toEqual(await question);
    it.upgrade();
    const answer = said(second, 2_000_000);
    expect(await first.readAll()).toEqual(await answer);
    const [received, sent] = early === "client" ? [3_000, 2_000_000] : [2_000_000, 3_000];
    expect(await it.end()).toMatchObject({ bytes: { received, sent }, error: undefined });
  });

  test("an end that nobody could be told of yet comes behind the last byte", async () => {
    using it = await start();
    const { client, daemon } = await it.pair();
    const sent = client.fill();
    client.end();
    // Nobody has taken anything of it, and what the relay has taken is less than that.
    it.upgrade();
    it.upgrade();
    expect((await daemon.readAll()).length).toBe(sent);
    daemon.end();
    expect((await client.readAll()).length).toBe(0);
    expect(await it.end()).toMatchObject({ bytes: { received: sent, sent: 0 }, error: undefined });
  });

  test("a header that the daemon has not got yet comes first, and is not counted", async () => {
    using it = await start({ upstreamProxyProtocol: "v1" });
    const client = await it.come();
    it.begin();
    const { relays } = JSON.parse(it.upgrade());
    expect(relays.open[0].relay.up.unsent).toBeGreaterThan("PROXY TCP4 ".length);
    const daemon = await it.accept();
    const header = await read(daemon);
    expect(header).toMatch(/^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n$/);
    await client.write(Buffer.from("hello"));
    client.end();
    daemon.end();
    expect((await daemon.readAll()).length).toBe(5);
    expect(await it.end()).toMatchObject({ bytes: { received: 5, sent: 0 } });
  });

  test("what was saved, and then not taken up by anybody, leaves nothing behind", async () => {
    using it = await start({ upstreamProxyProtocol: "v2" });
    const client = await it.come();
    it.begin();
    const { relays } = it.handoff.save((fd) => fd) as SavedProxy;
    const unsent = relays.unsent ?? -1;
    expect(isClosed(unsent)).toBe(false);
    it.time.pass(0);
    expect(isClosed(unsent)).toBe(true);
    // And it has gone on all the same.
    await client.write(Buffer.from("hello"));
    client.end();
    expect((await (await it.accept()).readAll()).length).toBe(28 + 5);
  });

  test("a reset that comes meanwhile is passed on", async () => {
    using it = await start();
    const { client } = await it.pair();
    client.reset();
    it.upgrade();
    expect(await it.end()).toMatchObject({ error: "the client has reset it" });
  });

  test("counts as the worker's: it is idle when the last has gone", async () => {
    using it = await start({ idleTimeout: 1_000 });
    const pairs = [await it.pair(), await it.pair()];
    it.upgrade();
    expect(it.handoff.connectionsOf(it.worker)).toBe(2);
    expect(it.known()).toEqual([
      [1, it.worker.pid],
      [2, it.worker.pid],
    ]);
    for (const [n, { client, daemon }] of pairs.entries()) {
      it.time.pass(10_000);
      expect(it.worker.log).toEqual([]);
      client.end();
      daemon.end();
      await it.end(n + 1);
    }
    it.time.pass(1_000);
    expect(it.worker.log).toEqual(["stop: idle_timeout"]);
  });

  test("of a daemon that has gone still ends when it has rested for a while, under its pid", async () => {
    using it = await start({ killMode: "tree" });
    const { client, daemon } = await it.pair();
    await it.pair();
    const { pid } = it.worker;
    it.gone();
    it.upgrade([], 3_000);
    // The next daemon has its number, by chance.
    const other = await it.come();
    Object.assign(it.worker, { pid });
    it.begin();
    await it.accept();
    it.upgrade([it.worker], 3_000);
    expect(it.handoff.connectionsOf(it.worker)).toBe(1);
    expect(it.known()).toEqual([
      [1, pid],
      [2, pid],
      [3, pid],
    ]);
    await daemon.write(Buffer.from("still here"));
    expect((await client.read())?.length).toBe(10);
    it.time.pass(5_000);
    expect(it.ended).toMatchObject([{ id: 2, pid, error: "its worker ended" }]);
    expect(it.handoff.connectionsOf(it.worker)).toBe(1);
    other.end();
  });

  test("when the service is stopped ends after a while, whatever comes", async () => {
    using it = await start();
    const { client, daemon } = await it.pair();
    it.isStopped = true;
    it.gone();
    for (let i = 0; i < 20; i++) {
      await daemon.write(Buffer.from("x"));
      await client.read();
      it.upgrade([]);
      expect(it.ended).toEqual([]);
      it.time.pass(250);
    }
    expect(it.ended).toMatchObject([{ bytes: { received: 0, sent: 20 }, error: "its worker ended" }]);
  });
});

describe("who waits for the daemon", () => {
  test("is served when it is ready, in the order in which all came", async () => {
    using it = await start();
    const first = await it.come();
    await first.write(Buffer.from("first"));
    const second = await it.come();
    await second.write(Buffer.from("second"));
    it.upgrade();
    expect(it.known()).toEqual([
      [1, null],
      [2, null],
    ]);
    const third = await it.come();
    await third.write(Buffer.from("third"));
    expect(it.workers.length).toBe(1);
    it.begin();
    for (const word of ["first", "second", "third"]) expect(await read(await it.accept())).toBe(word);
    expect(it.refused).toEqual([]);
  });

  test("and has gone meanwhile, or goes afterwards, is noticed", async () => {
    using it = await start();
    const [early, late] = [await it.come(), await it.come()];
    early.reset();
    it.upgrade();
    expect(await it.end()).toMatchObject({ id: 1, pid: null });
    late.reset();
    expect(await it.end(2)).toMatchObject({ id: 2, pid: null });
  });

  test("does so until start_timeout is over, from when he came", async () => {
    using it = await start({ startTimeout: 1_000 });
    await it.come();
    it.time.pass(600);
    await it.come();
    it.upgrade();
    it.time.pass(399);
    expect(it.refused).toEqual([]);
    it.time.pass(1);
    expect(it.refused).toEqual([{ id: 1, reason: "timeout" }]);
    it.upgrade();
    it.time.pass(600);
    expect(it.refused.slice(1)).toEqual([{ id: 2, reason: "timeout" }]);
  });

  test("has one started who could not be before", async () => {
    using it = await start();
    it.mayStart = false;
    await it.come();
    it.upgrade([]);
    expect(it.workers).toEqual([]);
    it.mayStart = true;
    it.time.pass(1_000);
    expect(it.workers.length).toBe(1);
    it.begin();
    await it.accept();
  });

  test("and is being connected when it does not listen yet is connected all the same, however late it is", async () => {
    using it = await start({ startTimeout: 1_000 });
    const client = await it.come();
    await client.write(Buffer.from("hello"));
    // Ready in its own eyes.
    it.worker.wasReady = true;
    it.handoff.ready(it.worker);
    it.time.pass(2_000);
    it.upgrade();
    it.listen();
    it.upgrade();
    expect(it.known()).toEqual([[1, it.worker.pid]]);
    it.time.pass(0);
    expect(await read(await it.accept())).toBe("hello");
    expect([it.refused, it.ended]).toEqual([[], []]);
  });

  test("and is being connected gets the next one if it goes before", async () => {
    using it = await start();
    const client = await it.come();
    await client.write(Buffer.from("hello"));
    it.worker.wasReady = true;
    it.handoff.ready(it.worker);
    it.upgrade();
    it.gone();
    expect(it.workers.length).toBe(2);
    it.begin();
    it.time.pass(0);
    expect(await read(await it.accept())).toBe("hello");
    // Not twice.
    expect(it.known()).toEqual([[1, it.worker.pid]]);
  });

  test("but has not spoken comes in when he does", async () => {
    using it = await start({ wakeOn: "data" });
    const client = await it.come();
    expect([it.kept, it.workers.length]).toEqual([1, 0]);
    it.upgrade([]);
    await client.write(Buffer.from("hello"));
    await eventually("a daemon is started", () => it.workers.length === 1);
    it.begin();
    expect(await read(await it.accept())).toBe("hello");
    expect(it.kept).toBe(0);
  });
});

describe("the daemon", () => {
  async function idle(config: Circumstances["config"]) {
    const it = await start(config);
    const { client, daemon } = await it.pair();
    client.end();
    daemon.end();
    await it.end();
    it.worker.log.splice(0);
    return it;
  }

  test("has been idle since when it was", async () => {
    using it = await idle({ idleTimeout: 1_000 });
    it.time.pass(600);
    it.upgrade();
    it.time.pass(399);
    expect(it.worker.log).toEqual([]);
    it.time.pass(1);
    expect(it.worker.log).toEqual(["stop: idle_timeout"]);
    // Told to, but not gone: who comes waits for the next.
    it.upgrade();
    expect(it.handoff.holds(it.listener)).toBe(true);
  });

  test("is not idle any more when somebody comes", async () => {
    using it = await idle({ idleTimeout: 1_000 });
    it.time.pass(600);
    it.upgrade();
    await it.come();
    it.time.pass(10_000);
    expect(it.worker.log).toEqual([]);
  });

  test("stays frozen until somebody comes, or max_frozen is over", async () => {
    using it = await idle({ idleTimeout: 1_000, onIdle: "freeze", maxFrozen: 1_000 });
    it.time.pass(1_000);
    expect(it.worker.log).toEqual(["freeze"]);
    it.time.pass(600);
    it.upgrade();
    it.time.pass(399);
    expect(it.worker.log).toEqual(["freeze"]);
    it.time.pass(1);
    expect(it.worker.log).toEqual(["freeze", "stop: max_frozen"]);
  });

  test("is frozen, stopped or neither as the configuration is at that moment", async () => {
    using it = await idle({ idleTimeout: 1_000 });
    it.config.onIdle = "freeze";
    it.time.pass(1_000);
    expect(it.worker.log).toEqual(["freeze"]);
    await it.come();
    expect(it.worker.log).toEqual(["freeze", "thaw"]);
  });

  test("that is too old goes when nobody is connected, or when its time is over", async () => {
    using it = await start({ stopTimeout: 1_000 });
    await it.pair();
    it.handoff.aged(it.worker);
    it.time.pass(600);
    it.upgrade();
    it.time.pass(399);
    expect(it.worker.log).toEqual([]);
    it.upgrade();
    it.time.pass(1);
    expect(it.worker.log).toEqual(["stop: max_lifetime"]);
    // It is followed by another, for those who are to come.
    it.config.workers = { min: 1, max: 1 } as never;
    it.config.restart = "no";
    it.gone();
    expect(it.workers.length).toBe(2);
  });

  test("that was replaced goes with its last connection", async () => {
    using it = await start();
    const { client, daemon } = await it.pair();
    it.handoff.retire();
    it.upgrade();
    expect(it.worker.log).toEqual([]);
    client.end();
    daemon.end();
    await it.end();
    expect(it.worker.log).toEqual(["stop: replaced"]);
  });

  test("that ended and is not to be replaced is not, until somebody comes", async () => {
    using it = await start({ restart: "no", workers: { min: 1, max: 1 } as never });
    it.handoff.warm();
    it.begin();
    it.gone();
    it.upgrade([]);
    it.handoff.resume();
    expect(it.workers.length).toBe(1);
    await it.come();
    expect(it.workers.length).toBe(2);
  });

  test("must be there, if it is said to be", async () => {
    using it = await start();
    await it.pair();
    expect(() => it.upgrade([])).toThrow('the worker of "it" is not there');
  });
});
