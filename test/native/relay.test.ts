/** A relay: what one side says the other gets, to the last byte, and then its end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compileFixture } from "./compile.ts";
import { expectNoLeaks } from "./leaks.ts";
import { connection, type Kind, type Peer, type Relayed, relayed } from "./peer.ts";
import { ended, plan, sys } from "./support.ts";

expectNoLeaks();

const mega = 1_000_000;
const kinds: [Kind, Kind][] = [
  ["tcp", "tcp"],
  ["tcp", "unix"],
  ["unix", "tcp"],
  ["unix", "unix"],
];

/** Both ways at once, each to its end. */
async function exchange({ a, b }: Relayed, length: number, most?: number) {
  const send = async (peer: Peer) => {
    const sum = await peer.writeRandom(length, most);
    peer.end();
    return sum;
  };
  const [saidA, saidB, heardA, heardB] = await Promise.all([send(a), send(b), a.readAll(), b.readAll()]);
  expect(heardB).toEqual(saidA);
  expect(heardA).toEqual(saidB);
  expect(saidA.length).toBe(length);
}

describe.each(kinds)("from %s to %s", (kindA, kindB) => {
  test("a hundred megabytes each way arrive as they were sent", { timeout: 60_000 }, async () => {
    using it = await relayed(kindA, kindB);
    await exchange(it, 100 * mega);
    expect(await it.end).toEqual({ reason: "end", code: null, aToB: 100 * mega, bToA: 100 * mega });
    expect(it.relay.bytes()).toEqual({ aToB: 100 * mega, bToA: 100 * mega });
  });

  test("so do many small pieces", async () => {
    using it = await relayed(kindA, kindB);
    await exchange(it, 300_000, 100);
    expect((await it.end).reason).toBe("end");
  });

  test("questions and answers follow each other", async () => {
    using it = await relayed(kindA, kindB);
    for (let i = 0; i < 500; i++) {
      await it.a.write(Buffer.from(`question ${i}`));
      expect(Buffer.from((await it.b.read()) ?? []).toString()).toBe(`question ${i}`);
      await it.b.write(Buffer.from(`answer ${i}`));
      expect(Buffer.from((await it.a.read()) ?? []).toString()).toBe(`answer ${i}`);
    }
  });

  test("who has said all may hear fifty megabytes yet", async () => {
    for (const [asks, answers] of [["a", "b"] as const, ["b", "a"] as const]) {
      using it = await relayed(kindA, kindB);
      await it[asks].write(Buffer.from("give"));
      it[asks].end();
      expect((await it[answers].readAll()).length).toBe(4);
      const heard = it[asks].readAll();
      const said = await it[answers].writeRandom(50 * mega);
      it[answers].close();
      expect(await heard).toEqual(said);
      expect((await it.end).reason).toBe("end");
    }
  });

  test("the end comes behind the last byte, also for one who reads slowly", async () => {
    using it = await relayed(kindA, kindB);
    const said = it.a.writeRandom(5 * mega).then((sum) => {
      it.a.close();
      return sum;
    });
    expect(await it.b.readAll(1000)).toEqual(await said);
  });
});

test("a prefix comes first, and is not counted", async () => {
  using it = await relayed("tcp", "tcp", { prefixToB: Buffer.from("PROXY\r\n") });
  await it.a.write(Buffer.from("hello"));
  it.a.end();
  const heard: Uint8Array[] = [];
  for (let bytes = await it.b.read(); bytes !== null; bytes = await it.b.read()) heard.push(bytes);
  expect(Buffer.concat(heard).toString()).toBe("PROXY\r\nhello");
  expect(it.relay.bytes()).toEqual({ aToB: 5, bToA: 0 });
});

describe("a receiver that takes nothing", () => {
  const { SOL_SOCKET = 0, SO_SNDBUF = 0, SO_RCVBUF = 0 } = sys.constants;

  /** With buffers that the kernel does not let grow. */
  async function small(kind: Kind) {
    const made = await connection(kind);
    for (const fd of [made.near, made.peer.fd]) {
      sys.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, 32_768);
      sys.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 32_768);
    }
    return made;
  }

  test.each(kinds)("slows the sender down, and nobody else: from %s to %s", async (kindA, kindB) => {
    const [toA, toB] = [await small(kindA), await small(kindB)];
    const relay = sys.relay(toA.near, toB.near, () => {});
    // What comes the other way shows that the relay has had its turns.
    let sent = 0;
    for (let turn = 0; turn < 200; turn++) {
      sent += toA.peer.fill();
      await toB.peer.write(Buffer.from("x"));
      expect((await toA.peer.read())?.length).toBe(1);
    }
    // It has what four sockets' buffers of twice the size asked for hold, and 256 KiB of its own, but no more.
    const { aToB } = relay.bytes();
    expect(sent - aToB).toBeLessThan(4 * 65_536);
    expect(aToB).toBeLessThan(4 * 65_536 + 256 * 1024);
    const state = relay.detach();
    if (state === null) throw new Error("a relay that ended");
    expect(state.aToB.unsent.length).toBeGreaterThan(0);
    expect(state.aToB.unsent.length).toBeLessThanOrEqual(256 * 1024);
    // And when it takes again nothing is missing.
    const again = sys.relay(state.a, state.b, () => {}, { resume: state });
    toA.peer.end();
    expect((await toB.peer.readAll()).length).toBe(sent);
    again.close();
    toA.peer.close();
    toB.peer.close();
  });
});

test("five hundred at once, each for itself", { timeout: 60_000 }, async () => {
  const one = async (n: number) => {
    const [kindA, kindB] = kinds[n % kinds.length] ?? ["tcp", "tcp"];
    using it = await relayed(kindA, kindB);
    // Says something and hears it back; every seventh gives up in the midst.
    const echo = async () => {
      for (let bytes = await it.b.read(); bytes !== null; bytes = await it.b.read()) await it.b.write(bytes);
      it.b.end();
    };
    if (n % 7 === 0) {
      const echoed = echo().catch(() => {});
      await it.a.write(Buffer.alloc(1000));
      await it.a.read();
      it.a.reset();
      await echoed;
      return (await it.end).reason;
    }
    const heard = it.a.readAll();
    const echoed = echo();
    const said = await it.a.writeRandom((n * 7919) % 400_000, 50_000);
    it.a.end();
    expect(await heard).toEqual(said);
    await echoed;
    return (await it.end).reason;
  };
  const reasons = await Promise.all(Array.from({ length: 500 }, (_, n) => one(n)));
  for (const [n, reason] of reasons.entries()) {
    // A Unix socket that closes with nothing unread says no more than that it is over.
    const reset = n % 7 === 0 && kinds[n % kinds.length]?.[0] === "tcp";
    expect(reason).toBe(reset ? "reset-a" : "end");
  }
});

test.each([
  [100, 1000],
  [10, 500_000],
])(
  "urgent data is no part of it and stops nothing: %i times between blocks of %i bytes",
  async (rounds, size) => {
    const directory = mkdtempSync(join(tmpdir(), "tinetd-test-"));
    const file = join(directory, "urgent");
    compileFixture("urgent", file);
    const [toA, toB] = [await connection("tcp"), await connection("tcp")];
    const relay = sys.relay(toA.near, toB.near, () => {});
    sys.setBlocking(toA.peer.fd, true);
    const urgent = sys.prepare(plan({ file, argv: ["urgent", `${rounds}`, `${size}`] }));
    const sender = sys.spawn(urgent, [toA.peer.fd, 1, 2], []);
    toA.peer.close();
    for (let round = 0; round < rounds; round++) {
      let heard = 0;
      while (heard < 2 * size) heard += (await toB.peer.read())?.length ?? Number.NaN;
      expect(heard).toBe(2 * size);
      await toB.peer.write(Buffer.from("x"));
    }
    expect((await toB.peer.readAll()).length).toBe(0);
    expect((await ended(sender)).code).toBe(0);
    relay.close();
    toB.peer.close();
    rmSync(directory, { recursive: true });
  },
);
