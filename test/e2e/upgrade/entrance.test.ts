/** Clients who have not spoken yet, over an upgrade: two entrances one after the other, with real connections. */
import { expect, test } from "vitest";
import { createEntrance, type SavedEntrance } from "../../../src/handoff/entrance.ts";
import type { Incoming } from "../../../src/handoff/handoff.ts";
import { READABLE } from "../../../src/native/sys.ts";
import type { BoundListener } from "../../../src/net/listen.ts";
import { sys } from "../../native/support.ts";
import { manualClock } from "../../unit/util/manual-clock.ts";
import { accept, close, open, tcp, workplace } from "../net/support.ts";
import { connect } from "../rig/client.ts";
import { eventually } from "../rig/proc.ts";

workplace();

type Host = Parameters<typeof createEntrance>[0];

function setUp({ firstByteTimeout = 1_000 as number | null, mayServe = true } = {}) {
  const time = manualClock();
  const log: string[] = [];
  const state = { mayServe };
  let kept = 0;
  const host = {
    config: { wakeOn: "data", firstByteTimeout, onLimit: "queue" },
    sys,
    clock: time.clock,
    keep: () => {
      kept += 1;
    },
    release: (then: () => void) => {
      kept -= 1;
      then();
    },
    refuse: ({ fd, id }: Incoming, reason: string) => {
      log.push(`${id}: ${reason}`);
      sys.close(fd);
    },
    isStopped: () => false,
  } as unknown as Host;
  const served: Incoming[] = [];
  const create = () =>
    createEntrance(
      host,
      (arrived) => served.push(...arrived),
      () => state.mayServe,
    );
  let entrance = create();
  return {
    host,
    time,
    log,
    state,
    served,
    kept: () => kept,
    entrance: () => entrance,
    /** Saves, and goes on with what another process would make of that. Twice, as it is done. */
    upgrade(listeners: BoundListener[], listenersThen = listeners) {
      entrance.save((fd) => fd, listeners);
      const saved = entrance.save((fd) => sys.dup(fd), listeners);
      const text = JSON.stringify(saved);
      expect(JSON.parse(text)).toEqual(saved);
      const keptBefore = kept;
      entrance.close();
      time.forget();
      entrance = create();
      entrance.restore(JSON.parse(text) as SavedEntrance, { claim: (fd) => fd, listeners: listenersThen });
      kept = keptBefore;
    },
    /** The texts that they have sent. */
    words: () =>
      served.splice(0).map(({ fd, id }) => {
        const buffer = Buffer.alloc(100);
        expect(sys.isBlocking(fd)).toBe(true);
        const word = `${id} ${buffer.toString("utf8", 0, sys.read(fd, buffer) ?? 0)}`;
        sys.close(fd);
        return word;
      }),
  };
}

async function setUpWithClients(count: number, options?: Parameters<typeof setUp>[0]) {
  const it = setUp(options);
  const [listener] = await open(tcp());
  if (listener.address.family === "unix") throw new Error("a TCP listener without a port");
  const { port } = listener.address;
  const clients = [];
  for (let id = 1; id <= count; id++) {
    const client = await connect(port);
    clients.push(client);
    const { fd, peer: remote } = await accept(listener.fd);
    const local = sys.getsockname(fd);
    it.entrance().take([{ fd, listener, remote, local, credentials: null, id, acceptedAt: 0 }]);
  }
  return { ...it, listener, clients };
}

test("whoever speaks afterwards is served, by the listener that he came by", async () => {
  const { listener, clients, ...it } = await setUpWithClients(3);
  const [first, second, third] = clients;
  first?.write("before");
  await eventually("it has spoken", () => it.served.length === 1);
  expect(it.words()).toEqual(["1 before"]);
  const other = { ...listener, name: "other" };
  it.upgrade([other, listener]);
  expect([it.entrance().size(), it.kept()]).toEqual([2, 2]);
  third?.write("after");
  await eventually("it has spoken", () => it.served.length === 1);
  expect(it.served[0]?.listener).toBe(listener);
  expect(it.words()).toEqual(["3 after"]);
  second?.end();
  await eventually("it has gone", () => it.entrance().size() === 0);
  expect([it.kept(), it.log]).toEqual([0, []]);
  for (const client of clients) await client[Symbol.asyncDispose]();
});

test("who has spoken in between is served, even if his time was over by then", async () => {
  const { listener, clients, ...it } = await setUpWithClients(1);
  const [client] = clients;
  it.upgrade([listener]);
  client?.write("just in time");
  // It has come, and the watch is told of that in the next turn of the loop only.
  const [one] = it.entrance().save((fd) => fd, [listener]).silent;
  while ((sys.poll(one?.incoming.fd ?? -1) & READABLE) === 0);
  it.time.pass(1_000);
  expect([it.words(), it.log]).toEqual([["1 just in time"], []]);
  await client?.[Symbol.asyncDispose]();
});

test("the time that a client has goes on; a changed one counts for the next", async () => {
  const { listener, clients, ...it } = await setUpWithClients(1);
  it.time.pass(600);
  it.upgrade([listener]);
  (it.host.config as { firstByteTimeout: number }).firstByteTimeout = 50;
  it.time.pass(399);
  expect(it.log).toEqual([]);
  it.time.pass(1);
  expect([it.log, it.entrance().size(), it.kept()]).toEqual([["1: timeout"], 0, 0]);
  for (const client of clients) await client[Symbol.asyncDispose]();
});

test("without a limit of time there is none afterwards either", async () => {
  const { listener, clients, ...it } = await setUpWithClients(1, { firstByteTimeout: null });
  it.upgrade([listener]);
  expect(it.time.pending()).toBe(0);
  it.entrance().close();
  for (const client of clients) await client[Symbol.asyncDispose]();
});

test("who has spoken and waits for a handler still does, though his listener is not there any more", async () => {
  const { listener, clients, ...it } = await setUpWithClients(1, { mayServe: false });
  const [client] = clients;
  client?.write("hello");
  await eventually("it has spoken", () => it.time.pending() === 0);
  close(listener);
  it.upgrade([]);
  expect([it.entrance().size(), it.kept(), it.served]).toEqual([1, 1, []]);
  it.state.mayServe = true;
  it.entrance().resume();
  expect([it.words(), it.kept()]).toEqual([["1 hello"], 0]);
  await client?.[Symbol.asyncDispose]();
});
