/** A relay that is looked at or taken out from between its peers, and one that goes on in its place, at any moment. */
import { describe, expect, test } from "vitest";
import type { Fd, RelayState } from "../../src/native/sys.ts";
import { expectNoLeaks, openDescriptors } from "./leaks.ts";
import { beginRelay, connection, type Kind, type Peer } from "./peer.ts";
import { sys } from "./support.ts";

expectNoLeaks();

const { SOL_SOCKET = 0, SO_SNDBUF = 0, SO_RCVBUF = 0 } = sys.constants;

const kinds: [Kind, Kind][] = [
  ["tcp", "tcp"],
  ["tcp", "unix"],
  ["unix", "unix"],
];

/** All of it as text: what stands in the one stands in the other. */
function written(state: RelayState | null): string {
  return JSON.stringify(state, (_, value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
  );
}

/** As another process would get it: other numbers, and nothing but what can be written down. */
function moved({ a, b, ...state }: RelayState & { a: Fd; b: Fd }): { a: Fd; b: Fd; state: RelayState } {
  const copy = (fd: Fd) => {
    const other = sys.dup(fd, 100);
    sys.close(fd);
    return other;
  };
  const parsed = JSON.parse(written(state), (key, value) =>
    key === "unsent" ? Buffer.from(value, "base64") : value,
  );
  return { a: copy(a), b: copy(b), state: parsed };
}

test.each(kinds)("fifty megabytes each way survive it again and again: %s and %s", async (kindA, kindB) => {
  const [toA, toB] = [await connection(kindA), await connection(kindB)];
  // Little room behind the relay, so that it has something unsent most of the time.
  for (const { near, peer } of [toA, toB]) {
    sys.setsockopt(near, SOL_SOCKET, SO_SNDBUF, 32_768);
    sys.setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, 32_768);
  }
  let { relay, end } = beginRelay(toA.near, toB.near);
  let over = false;
  let moves = 0;
  let unsent = 0;
  const length = 50_000_000;
  const send = async (peer: Peer) => {
    const sum = await peer.writeRandom(length);
    peer.end();
    return sum;
  };
  const move = () => {
    const seen = moves % 8 === 0 ? relay.state() : null;
    const state = relay.detach();
    if (state === null || over) return;
    if (seen !== null) expect(written(seen) === written(state)).toBe(true);
    expect(openDescriptors().filter((entry) => entry.includes("pipe:")).length).toBeLessThan(100);
    unsent += state.aToB.unsent.length + state.bToA.unsent.length;
    const next = moved(state);
    ({ relay, end } = beginRelay(next.a, next.b, { resume: next.state }));
    moves++;
    // Each time after a few more turns of the loop.
    let turns = moves % 9;
    const later = () => (turns-- > 0 ? setImmediate(later) : move());
    setImmediate(later);
  };
  setImmediate(move);
  const [saidA, saidB, heardA, heardB] = await Promise.all([
    send(toA.peer),
    send(toB.peer),
    toA.peer.readAll(70_000),
    toB.peer.readAll(),
  ]);
  over = true;
  expect(heardB).toEqual(saidA);
  expect(heardA).toEqual(saidB);
  // Both have heard the end, so that the last of them may be ending, or have ended, by itself.
  expect(await end).toEqual({ reason: "end", code: null, aToB: length, bToA: length });
  expect(moves).toBeGreaterThan(10);
  expect(unsent).toBeGreaterThan(0);
  toA.peer.close();
  toB.peer.close();
});

describe("state()", () => {
  test.each(kinds)("changes nothing, however often it is asked: %s and %s", async (kindA, kindB) => {
    const [toA, toB] = [await connection(kindA), await connection(kindB)];
    for (const { near, peer } of [toA, toB]) {
      sys.setsockopt(near, SOL_SOCKET, SO_SNDBUF, 32_768);
      sys.setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, 32_768);
    }
    const { relay, end } = beginRelay(toA.near, toB.near);
    const length = 8_000_000;
    let looks = 0;
    let unsent = 0;
    const look = () => {
      const state = relay.state();
      if (state === null) return;
      looks++;
      unsent += state.aToB.unsent.length + state.bToA.unsent.length;
      expect(written(relay.state()) === written(state)).toBe(true);
      expect(relay.bytes()).toEqual({ aToB: state.aToB.bytes, bToA: state.bToA.bytes });
      setImmediate(look);
    };
    setImmediate(look);
    const send = async (peer: Peer) => {
      const sum = await peer.writeRandom(length);
      peer.end();
      return sum;
    };
    const [saidA, saidB, heardA, heardB] = await Promise.all([
      send(toA.peer),
      send(toB.peer),
      toA.peer.readAll(70_000),
      toB.peer.readAll(),
    ]);
    expect([heardB, heardA]).toEqual([saidA, saidB]);
    expect(await end).toEqual({ reason: "end", code: null, aToB: length, bToA: length });
    expect(relay.state()).toBeNull();
    expect(looks).toBeGreaterThan(10);
    expect(unsent).toBeGreaterThan(0);
    toA.peer.close();
    toB.peer.close();
  });
});

test.each(kinds)(
  "one that is resumed does nothing before its turn comes: %s and %s",
  async (kindA, kindB) => {
    const [toA, toB] = [await connection(kindA), await connection(kindB)];
    const way = { bytes: 3, ended: true };
    await toA.peer.write(Buffer.from("more"));
    const state = {
      aToB: { ...way, unsent: Buffer.from("owed to b"), ended: false },
      bToA: { ...way, unsent: Buffer.from("owed to a") },
      idleMs: 0,
    };
    const { relay, end } = beginRelay(toA.near, toB.near, { resume: state });
    expect(relay.state()).toMatchObject({ a: toA.near, b: toB.near, aToB: { bytes: 3 }, bToA: { bytes: 3 } });
    const buffer = Buffer.alloc(100);
    for (const { fd } of [toA.peer, toB.peer]) expect(sys.read(fd, buffer)).toBeNull();
    // And then all of it, the end behind the last byte too.
    expect((await toA.peer.readAll()).length).toBe(9);
    toA.peer.end();
    expect((await toB.peer.readAll()).length).toBe(13);
    expect(await end).toEqual({ reason: "end", code: null, aToB: 7, bToA: 3 });
    toA.peer.close();
    toB.peer.close();
  },
);

describe("detach()", () => {
  test("gives back two descriptors that work, and nothing else is left", async () => {
    const [toA, toB] = [await connection("tcp"), await connection("unix")];
    const { relay } = beginRelay(toA.near, toB.near);
    await toA.peer.write(Buffer.from("12345"));
    expect((await toB.peer.read())?.length).toBe(5);
    const state = relay.detach();
    const empty = { unsent: new Uint8Array(), ended: false };
    expect(state).toMatchObject({
      a: toA.near,
      b: toB.near,
      aToB: { ...empty, bytes: 5 },
      bToA: { ...empty, bytes: 0 },
    });
    expect(relay.detach()).toBeNull();
    relay.close();
    sys.write(toA.near, Buffer.from("direct"));
    expect((await toA.peer.read())?.length).toBe(6);
    await toB.peer.write(Buffer.from("yes"));
    expect(sys.read(toB.near, Buffer.alloc(10))).toBe(3);
    for (const fd of [toA.near, toB.near]) sys.close(fd);
    toA.peer.close();
    toB.peer.close();
  });

  test("knows what has not been sent yet: a prefix, and the end behind it", async () => {
    const [toA, toB] = [await connection("tcp"), await connection("tcp")];
    const first = beginRelay(toA.near, toB.near, { prefixToB: Buffer.from("PROXY\r\n") });
    const state = first.relay.detach();
    if (state === null) throw new Error("a relay that ended");
    expect(Buffer.from(state.aToB.unsent).toString()).toBe("PROXY\r\n");
    expect(state.aToB).toMatchObject({ bytes: 0, ended: false });
    const next = moved(state);
    next.state.aToB.ended = true;
    const second = beginRelay(next.a, next.b, { resume: next.state });
    expect((await toB.peer.readAll()).length).toBe(7);
    await toB.peer.write(Buffer.from("answer"));
    toB.peer.end();
    expect((await toA.peer.readAll()).length).toBe(6);
    expect(await second.end).toEqual({ reason: "end", code: null, aToB: 0, bToA: 6 });
    toA.peer.close();
    toB.peer.close();
  });

  test("knows who has ended already, and does not pass it on twice", async () => {
    for (const early of ["a", "b"] as const) {
      const [toA, toB] = [await connection("tcp"), await connection("unix")];
      const peers = { a: toA.peer, b: toB.peer };
      const late = early === "a" ? "b" : "a";
      const first = beginRelay(toA.near, toB.near);
      peers[early].end();
      expect((await peers[late].readAll()).length).toBe(0);
      const state = first.relay.detach();
      if (state === null) throw new Error("a relay that ended");
      expect([state.aToB.ended, state.bToA.ended]).toEqual([early === "a", early === "b"]);
      const next = moved(state);
      const second = beginRelay(next.a, next.b, { resume: next.state });
      const said = peers[late].writeRandom(2_000_000);
      const heard = peers[early].readAll();
      await said;
      peers[late].end();
      expect(await heard).toEqual(await said);
      expect((await second.end).reason).toBe("end");
      toA.peer.close();
      toB.peer.close();
    }
  });
});

test("a reset that came meanwhile is told to the next one", async () => {
  const [toA, toB] = [await connection("tcp"), await connection("tcp")];
  const first = beginRelay(toA.near, toB.near);
  // Nothing of this has had its turn when the relay goes.
  sys.write(toA.peer.fd, Buffer.alloc(50_000));
  toA.peer.reset();
  const state = first.relay.detach();
  if (state === null) throw new Error("a relay that ended");
  const next = moved(state);
  const { end } = beginRelay(next.a, next.b, { resume: next.state });
  expect(await end).toEqual({ reason: "reset-a", code: "ECONNRESET", aToB: 50_000, bToA: 0 });
  await expect(toB.peer.readAll()).rejects.toMatchObject({ code: "ECONNRESET" });
  toB.peer.close();
});

test("what had happened before counts: bytes, and for how long nothing did", async () => {
  const [toA, toB] = [await connection("tcp"), await connection("tcp")];
  const way = { unsent: new Uint8Array(), ended: false };
  const before = { aToB: { ...way, bytes: 2 ** 40 }, bToA: { ...way, bytes: 7 }, idleMs: 3_600_000 };
  const { relay, end } = beginRelay(toA.near, toB.near, { resume: before });
  expect(relay.bytes()).toEqual({ aToB: 2 ** 40, bToA: 7 });
  expect(relay.idleMs()).toBeGreaterThanOrEqual(3_600_000);
  await toB.peer.write(Buffer.from("x"));
  await toA.peer.read();
  expect(relay.bytes()).toEqual({ aToB: 2 ** 40, bToA: 8 });
  // Of the hour nothing is left, whatever the byte took.
  expect(relay.idleMs()).toBeLessThan(3_600_000);
  toA.peer.end();
  toB.peer.end();
  expect(await end).toMatchObject({ aToB: 2 ** 40, bToA: 8 });
  toA.peer.close();
  toB.peer.close();
});
