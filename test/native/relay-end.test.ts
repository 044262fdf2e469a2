/** How relays end: together, by a reset that is passed on, because one side has gone, or at a word. */
import { describe, expect, test } from "vitest";
import type { RelayEnd } from "../../src/native/sys.ts";
import { expectNoLeaks } from "./leaks.ts";
import { connection, type Peer, relayed } from "./peer.ts";
import { failure, sys } from "./support.ts";

expectNoLeaks();

/** What the peer meets after `heard` bytes. */
async function outcome(peer: Peer): Promise<{ heard: number; code: string }> {
  let heard = 0;
  for (;;) {
    try {
      const bytes = await peer.read();
      if (bytes === null) return { heard, code: "end" };
      heard += bytes.length;
    } catch (error) {
      return { heard, code: (error as NodeJS.ErrnoException).code ?? "" };
    }
  }
}

describe.each([["a", "b"] as const, ["b", "a"] as const])("a reset of %s", (from, to) => {
  const reason = `reset-${from}`;

  test("resets the other, an idle one too", async () => {
    using it = await relayed("tcp", "tcp");
    it[from].reset();
    expect(await it.end).toEqual({ reason, code: "ECONNRESET", aToB: 0, bToA: 0 });
    expect(await outcome(it[to])).toEqual({ heard: 0, code: "ECONNRESET" });
  });

  test("comes behind what was said before it", async () => {
    using it = await relayed("tcp", "tcp");
    await it[from].write(Buffer.alloc(50_000));
    it[from].reset();
    expect((await it.end).reason).toBe(reason);
    expect(await outcome(it[to])).toEqual({ heard: 50_000, code: "ECONNRESET" });
  });

  test("that is noticed in writing to it comes behind what it said, too", async () => {
    using it = await relayed("tcp", "tcp");
    // In this order, before the relay has a turn: so it first reads what it cannot write any more.
    sys.write(it[to].fd, Buffer.from("x"));
    sys.write(it[from].fd, Buffer.alloc(50_000));
    it[from].reset();
    expect((await it.end).reason).toBe(reason);
    expect(await outcome(it[to])).toEqual({ heard: 50_000, code: "ECONNRESET" });
  });

  test("is one too when it has said all, and hears", async () => {
    using it = await relayed("tcp", "tcp");
    await it[from].write(Buffer.from("give"));
    it[from].end();
    expect(await it[to].readAll()).toMatchObject({ length: 4 });
    it[from].reset();
    expect((await it.end).reason).toBe(reason);
    expect(() => sys.write(it[to].fd, Buffer.from("x"))).toThrow(/EPIPE|ECONNRESET/);
  });

  test("is told while the other takes nothing", async () => {
    using it = await relayed("tcp", "tcp");
    // Until the other's buffers are full and nothing more is wanted of this one.
    const way = from === "a" ? "aToB" : "bToA";
    for (let turn = 0; turn < 100; turn++) {
      it[from].fill();
      await it[to].write(Buffer.from("x"));
      await it[from].read();
    }
    const taken = it.relay.bytes()[way];
    it[from].reset();
    expect(await it.end).toMatchObject({ reason, [way]: taken });
    const { heard, code } = await outcome(it[to]);
    expect(code).toBe("ECONNRESET");
    expect(heard).toBeLessThanOrEqual(taken);
  });

  test("closes a Unix socket, with what was said before", async () => {
    using it = await relayed(from === "a" ? "tcp" : "unix", from === "a" ? "unix" : "tcp");
    await it[from].write(Buffer.alloc(1000));
    it[from].reset();
    expect((await it.end).reason).toBe(reason);
    expect(await outcome(it[to])).toEqual({ heard: 1000, code: "end" });
  });

  test("is what closing with something unread comes to", async () => {
    for (const kind of ["tcp", "unix"] as const) {
      using it = await relayed(from === "a" ? kind : "tcp", from === "a" ? "tcp" : kind);
      await it[to].write(Buffer.from("unread"));
      await it[from].until(1);
      await it[from].write(Buffer.from("sorry"));
      it[from].close();
      expect((await it.end).reason).toBe(reason);
      expect(await outcome(it[to])).toEqual({ heard: 5, code: "ECONNRESET" });
    }
  });
});

describe("a Unix socket closed altogether", () => {
  test("ends the relay when the other has all that it said", async () => {
    for (const [a, b, gone, left] of [
      ["tcp", "unix", "b", "a"],
      ["unix", "tcp", "a", "b"],
      ["unix", "unix", "a", "b"],
    ] as const) {
      using it = await relayed(a, b);
      const said = await it[gone].writeRandom(100_000);
      it[gone].close();
      expect(await it[left].readAll()).toEqual(said);
      expect(await it.end).toMatchObject({ reason: "end", code: null });
    }
  });

  test("is noticed when it had said all long before", async () => {
    using it = await relayed("tcp", "unix");
    it.b.end();
    expect((await it.a.readAll()).length).toBe(0);
    it.b.close();
    expect(await it.end).toEqual({ reason: "end", code: null, aToB: 0, bToA: 0 });
  });

  test("with something still to be written to it is a reset", async () => {
    using it = await relayed("tcp", "unix");
    // More than its buffer holds, of which it takes nothing.
    const written = it.a.writeRandom(30_000_000).catch((error: NodeJS.ErrnoException) => error.code);
    await it.b.read(1);
    it.b.close();
    expect((await it.end).reason).toBe("reset-b");
    expect(["ECONNRESET", "EPIPE"]).toContain(await written);
  });
});

test("anything else is an error, and its name is told", async () => {
  // Never connected: reading it fails, and not for a reset.
  const { near, peer } = await connection("tcp");
  const stray = sys.socket("inet", "stream");
  const end = await new Promise<RelayEnd>((resolve) => {
    sys.relay(stray, near, resolve);
  });
  expect(end.reason).toBe("error");
  expect(end.code).toBe("ENOTCONN");
  expect((await outcome(peer)).code).toBe("ECONNRESET");
  peer.close();
});

describe("close()", () => {
  test("ends both connections at once, without a callback", async () => {
    const [toA, toB] = [await connection("tcp"), await connection("unix")];
    let called = 0;
    const relay = sys.relay(toA.near, toB.near, () => called++);
    await toA.peer.write(Buffer.from("12345"));
    expect((await toB.peer.read())?.length).toBe(5);
    relay.close();
    relay.close();
    expect(relay.detach()).toBeNull();
    expect(await outcome(toA.peer)).toEqual({ heard: 0, code: "end" });
    expect(await outcome(toB.peer)).toEqual({ heard: 0, code: "end" });
    expect(relay.bytes()).toEqual({ aToB: 5, bToA: 0 });
    toA.peer.close();
    toB.peer.close();
    expect(called).toBe(0);
  });

  test("resets a side that was to get more", async () => {
    using it = await relayed("tcp", "tcp");
    while (it.a.fill() > 0) {
      await it.b.write(Buffer.from("x"));
      await it.a.read();
    }
    it.relay.close();
    expect((await outcome(it.b)).code).toBe("ECONNRESET");
  });
});

describe("in the midst of others", () => {
  test("a callback may close them all in the turn in which they would end", async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => relayed("tcp", "unix")));
    const ends = all.map(({ end }) => end);
    let called = 0;
    const made = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const [toA, toB] = [await connection("tcp"), await connection("unix")];
        return { toA, toB };
      }),
    );
    await new Promise<void>((resolve) => {
      const relays = made.map(({ toA, toB }) =>
        sys.relay(toA.near, toB.near, () => {
          called++;
          for (const relay of relays) relay.close();
          resolve();
        }),
      );
      for (const { toA, toB } of made) {
        sys.write(toA.peer.fd, Buffer.from("x"));
        toA.peer.reset();
        toB.peer.close();
      }
    });
    expect(called).toBe(1);
    for (const one of all) one.a.reset();
    expect((await Promise.all(ends)).every(({ reason }) => reason === "reset-a")).toBe(true);
    for (const one of all) one[Symbol.dispose]();
  });

  test("a callback may begin another relay, also when its own was the last", async () => {
    const first = await connection("tcp");
    const second = await connection("tcp");
    const [third, fourth] = [await connection("tcp"), await connection("unix")];
    const relay = await new Promise<ReturnType<typeof sys.relay>>((resolve) => {
      sys.relay(first.near, second.near, () => resolve(sys.relay(third.near, fourth.near, () => {})));
      first.peer.reset();
    });
    await third.peer.write(Buffer.from("on"));
    expect((await fourth.peer.read())?.length).toBe(2);
    relay.close();
    for (const { peer } of [second, third, fourth]) peer.close();
  });
});

describe("what cannot be relayed", () => {
  test("is refused, and stays the caller's", async () => {
    const { near, peer } = await connection("tcp");
    const [datagrams, other] = sys.socketpair("dgram");
    const [read, write] = sys.pipe();
    const nothing = () => {};
    expect(failure(() => sys.relay(near, datagrams, nothing))).toMatchObject({
      code: "EPROTOTYPE",
      syscall: "relay",
    });
    expect(failure(() => sys.relay(read, near, nothing)).code).toBe("ENOTSOCK");
    expect(failure(() => sys.relay(near, 9999, nothing)).code).toBe("EBADF");
    expect(failure(() => sys.relay(near, near, nothing)).code).toBe("EEXIST");
    for (const options of [
      1,
      { prefixToB: "text" },
      { resume: 1 },
      { resume: {} },
      { resume: { aToB: { bytes: 0, unsent: new Uint8Array(), ended: false }, idleMs: 0 } },
      { resume: { aToB: { bytes: -1, unsent: new Uint8Array(), ended: false } } },
    ])
      expect(() => Reflect.apply(sys.relay, sys, [near, near, nothing, options])).toThrow(TypeError);
    expect(() => Reflect.apply(sys.relay, sys, [near, near, 1])).toThrow(TypeError);

    // In use by another, and then by none.
    const second = await connection("unix");
    const third = await connection("unix");
    const relay = sys.relay(near, second.near, nothing);
    await second.peer.write(Buffer.from("x"));
    await peer.read();
    expect(failure(() => sys.relay(third.near, near, nothing)).code).toBe("EEXIST");
    await peer.write(Buffer.from("still"));
    expect((await second.peer.read())?.length).toBe(5);
    relay.close();
    for (const fd of [datagrams, other, read, write, third.near]) sys.close(fd);
    for (const one of [peer, second.peer, third.peer]) one.close();
  });
});
