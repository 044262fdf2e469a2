/** `pass` over an upgrade: who is where, who waits, and what has been promised to whom. */
import { describe, expect, test } from "vitest";
import { sys } from "../../native/support.ts";
import { workplace } from "../net/support.ts";
import { eventually } from "../rig/proc.ts";
import { passRig, type TestWorker } from "./pass-rig.ts";

workplace();

/** With one worker that is ready, and so many clients who have been given to it. */
async function rigWithWorker(clients: number, keys: Parameters<typeof passRig>[0] = {}) {
  const rig = await passRig(keys);
  rig.handoff().warm();
  const worker = rig.worker(101);
  rig.ready(worker);
  for (let n = 0; n < clients; n++) await rig.come();
  rig.done();
  return { rig, worker };
}

/** Serves the next connection, and says so. @returns its id */
async function serveAndTell(worker: TestWorker): Promise<number> {
  const id = await worker.serve();
  worker.says(JSON.stringify({ done: id }));
  return id;
}

describe("connections", () => {
  test("stay with their workers, and their ends are told of", async () => {
    const { rig, worker } = await rigWithWorker(3);
    await using it = rig;
    const held = [await worker.receive(), await worker.receive(), await worker.receive()];
    await it.received(3);
    it.upgrade(() => worker.says('{"done":1}'));
    const known = [...it.handoff().connections()].map(([{ id, remote }, who]) => [id, remote, who?.pid]);
    expect(known).toEqual(
      it.clients.map(({ socket }, index) => [index + 1, `tcp://127.0.0.1:${socket.localPort}`, 101]),
    );
    expect(it.handoff().connectionsOf(worker)).toBe(3);
    await it.told("closed 1 of 101");
    it.ends(2);
    it.gone(worker, true);
    expect(it.done()).toEqual([
      "closed 1 of 101",
      "closed 2 of 101",
      "ended: well",
      "closed 3 of 101: its worker ended",
    ]);
    for (const { fd } of held) sys.close(fd);
  });

  test("that their worker had not received when it ended go to another, and come from where they came from", async () => {
    const { rig, worker } = await rigWithWorker(4);
    await using it = rig;
    it.upgrade();
    expect(await serveAndTell(worker)).toBe(1);
    await it.told("closed 1 of 101");
    const { fd } = await worker.receive();
    it.upgrade();
    await it.received(1);
    it.gone(worker, true);
    expect(it.done().slice(1)).toEqual(["ended: well", "closed 2 of 101: its worker ended", "102 start"]);
    it.upgrade();
    it.ready(it.worker(102));
    for (const id of [3, 4]) {
      const got = await it.worker(102).receive();
      expect(got.id).toBe(id);
      sys.write(got.fd, Buffer.from(`you are ${id}\n`));
      sys.close(got.fd);
      expect(await it.clients[id - 1]?.line()).toBe(`you are ${id}`);
    }
    expect(it.done()).toEqual([]);
    sys.close(fd);
  });

  test("that no worker has wait over an upgrade, and are given up when none will come", async () => {
    const { rig, worker } = await rigWithWorker(2);
    await using it = rig;
    it.state.mayStart = false;
    it.gone(worker, true);
    it.upgrade();
    expect([...it.handoff().connections()].map(([{ id }, who]) => [id, who])).toEqual([
      [1, null],
      [2, null],
    ]);
    it.done();
    it.stop();
    expect(it.done()).toEqual([
      "closed 1 of nobody: no worker came to have it",
      "closed 2 of nobody: no worker came to have it",
    ]);
    for (const client of it.clients) expect(await client.rest()).toHaveLength(0);
  });

  test("that came by a listener which is not there any more are told to another worker as before", async () => {
    const { rig, worker } = await rigWithWorker(1);
    await using it = rig;
    it.state.listeners = [];
    it.upgrade();
    it.gone(worker, true);
    it.ready(it.worker(102));
    expect(await it.worker(102).serve()).toBe(1);
  });

  test("that have not spoken yet go on waiting, and count among those for whom there is room", async () => {
    await using it = await passRig({ wakeOn: "data", workers: { connections: 2 } });
    const first = await it.come();
    await it.come();
    it.upgrade();
    expect(it.handoff().holds(it.listener)).toBe(true);
    first.write("hello");
    await it.told("opened 1");
    expect(it.done()).toEqual(["keep", "keep", "release", "opened 1", "101 start"]);
  });
});

describe("workers", () => {
  test("whose channel is full get nobody until they have received some", async () => {
    const { rig, worker } = await rigWithWorker(64);
    await using it = rig;
    await it.come();
    it.upgrade();
    expect(it.handoff().holds(it.listener)).toBe(true);
    await worker.serve();
    await eventually("there is room", () => !it.handoff().holds(it.listener));
  });

  test("that have received somebody have not failed to start, though that was before", async () => {
    const { rig, worker } = await rigWithWorker(1);
    await using it = rig;
    await serveAndTell(worker);
    await it.told("closed 1 of 101");
    it.upgrade();
    it.gone(worker);
    expect(it.done()).toEqual(["closed 1 of 101", "ended: well"]);
  });

  test("of a service that is stopped have ended as they should, with what they had", async () => {
    const { rig, worker } = await rigWithWorker(1);
    await using it = rig;
    const { fd } = await worker.receive();
    await it.received(1);
    it.stop();
    it.upgrade();
    it.gone(worker);
    expect(it.done()).toEqual(["ended: well", "closed 1 of 101"]);
    sys.close(fd);
  });

  test("go on being chosen by what they have, in the same order", async () => {
    const { rig, worker } = await rigWithWorker(3, { workers: { max: 2, connections: 2 } });
    await using it = rig;
    const other = it.worker(102);
    it.ready(other);
    it.upgrade();
    await it.come();
    // Of two that have as many, the first.
    for (const id of [1, 2]) expect(await serveAndTell(worker)).toBe(id);
    await it.told("closed 2 of 101");
    expect(await serveAndTell(other)).toBe(3);
    expect(await serveAndTell(other)).toBe(4);
    await it.told("closed 4 of 102");
    it.upgrade();
    await it.come();
    expect(await worker.serve()).toBe(5);
  });

  test("that were not ready get ready", async () => {
    await using it = await passRig();
    await it.come();
    it.upgrade();
    expect(it.handoff().holds(it.listener)).toBe(true);
    it.ready(it.worker(101));
    it.handoff().readable(it.listener);
    expect(await it.worker(101).serve()).toBe(1);
    expect(it.done()).toEqual(["101 start", "opened 1"]);
  });

  test("that have ended meanwhile are told of afterwards, as any", async () => {
    const { rig, worker } = await rigWithWorker(1);
    await using it = rig;
    it.upgrade(() => sys.shutdown(worker.channel, "write"));
    it.gone(worker, true);
    expect(it.done()).toEqual(["ended: the worker ended before it had received a connection", "102 start"]);
  });

  test("that are not among the handlers are an error", async () => {
    const { rig, worker } = await rigWithWorker(0);
    await using it = rig;
    const saved = it.handoff().save((fd) => fd);
    const from = { claim: (fd: number) => fd, handlers: new Map(), listeners: [] };
    expect(() => it.handoff().restore(saved, from)).toThrow(`worker ${worker.pid} is not among the handlers`);
  });

  test("that are about to go are not needed any more, and the next takes over", async () => {
    const { rig, worker } = await rigWithWorker(1, { workers: { maxServed: 2 } });
    await using it = rig;
    it.upgrade();
    await it.come();
    for (const id of [1, 2]) expect(await serveAndTell(worker)).toBe(id);
    await it.told("101 stop: max_served");
    it.upgrade();
    expect(worker.isEnded).toBe(true);
    await it.come();
    it.ready(it.worker(102));
    it.handoff().readable(it.listener);
    expect(await it.worker(102).serve()).toBe(3);
    it.gone(worker);
    expect(it.done()).toEqual([
      "opened 2",
      "102 start",
      "closed 1 of 101",
      "closed 2 of 101",
      "101 stop: max_served",
      "opened 3",
      "ended: well",
    ]);
  });

  test("whose max_lifetime is over finish what they have", async () => {
    const { rig, worker } = await rigWithWorker(1);
    await using it = rig;
    it.handoff().aged(worker);
    it.upgrade();
    expect(worker.isEnded).toBe(true); // It has a connection to receive.
    await serveAndTell(worker);
    await it.told("101 stop: max_lifetime");
  });

  test("of a generation that was replaced end with their last connection", async () => {
    const { rig, worker } = await rigWithWorker(1);
    await using it = rig;
    it.handoff().retire();
    it.upgrade();
    await serveAndTell(worker);
    await it.told("101 stop: replaced");
  });

  test.each([
    ["no", false],
    ["always", true],
  ] as const)("that restart = %s leaves to the next client are left to him", async (restart, isBack) => {
    const { rig, worker } = await rigWithWorker(0, { workers: { min: 1 }, restart });
    await using it = rig;
    it.state.mayGoOn = false;
    it.gone(worker, true);
    it.upgrade();
    it.state.mayGoOn = true;
    it.handoff().resume();
    expect(it.workers).toHaveLength(isBack ? 1 : 0);
    if (!isBack) await it.come();
    expect(it.workers).toHaveLength(1);
  });
});

describe("idle workers", () => {
  test("are so for as long as they have been", async () => {
    const { rig, worker } = await rigWithWorker(0, { idleTimeout: 1_000 });
    await using it = rig;
    it.time.pass(600);
    it.upgrade();
    it.time.pass(399);
    expect(it.done()).toEqual([]);
    it.time.pass(1);
    expect([it.done(), worker.isEnded]).toEqual([["101 stop: idle"], true]);
  });

  test("whose time was over in between go in a later turn; one that gets something stays", async () => {
    for (const isGivenSome of [false, true]) {
      const { rig, worker } = await rigWithWorker(0, { idleTimeout: 1_000 });
      await using it = rig;
      it.time.pass(900);
      it.upgrade();
      if (isGivenSome) await it.come();
      it.time.pass(100);
      expect(it.done()).toEqual(isGivenSome ? ["opened 1"] : ["101 stop: idle"]);
      expect(worker.isStopping).toBe(!isGivenSome);
    }
  });

  test("that are frozen stay so, until somebody comes or max_frozen is over", async () => {
    for (const isGivenSome of [false, true]) {
      const { rig, worker } = await rigWithWorker(0, {
        idleTimeout: 1_000,
        onIdle: "freeze",
        maxFrozen: 5_000,
      });
      await using it = rig;
      it.time.pass(1_000);
      worker.settle(true);
      it.time.pass(3_000);
      it.upgrade();
      if (isGivenSome) await it.come();
      it.time.pass(2_000);
      const then = isGivenSome ? ["opened 1", "101 thaw"] : ["101 stop: max_frozen"];
      expect(it.done()).toEqual(["101 freeze", ...then]);
    }
  });

  test("that were on their way into the freeze get there", async () => {
    const { rig, worker } = await rigWithWorker(0, { idleTimeout: 1_000, onIdle: "freeze" });
    await using it = rig;
    it.time.pass(1_000);
    it.upgrade();
    it.time.pass(0);
    worker.settle(false);
    expect(it.done()).toEqual(["101 freeze", "101 thaw", "101 freeze", "101 thaw", "101 stop: idle"]);
  });
});

describe("a worker that has ended", () => {
  test("is left alone, whatever its last words were", async () => {
    const { rig, worker } = await rigWithWorker(1, { idleTimeout: 1_000 });
    await using it = rig;
    await serveAndTell(worker);
    it.gone(worker);
    it.time.pass(1_000);
    expect(it.done()).toEqual(["closed 1 of 101", "ended: well"]);
  });

  test("leaves nothing behind of what it says that it is done with and never had", async () => {
    const { rig, worker } = await rigWithWorker(1);
    await using it = rig;
    worker.says('{"done":1}');
    await it.told("closed 1 of 101");
    it.gone(worker, true);
    expect(it.done()).toEqual([
      "closed 1 of 101",
      "ended: the worker ended before it had received a connection",
    ]);
    expect(await it.clients[0]?.rest()).toHaveLength(0);
  });
});

describe("another configuration counts from then on", () => {
  test("of idle_timeout and on_idle", async () => {
    const { rig, worker } = await rigWithWorker(0, { idleTimeout: 1_000 });
    await using it = rig;
    it.reconfigure({ idleTimeout: 5_000, onIdle: "freeze" });
    it.time.pass(1_000);
    await it.come();
    await serveAndTell(worker);
    await it.told("closed 1 of 101");
    it.done();
    it.time.pass(4_999);
    expect(it.done()).toEqual([]);
    it.time.pass(1);
    expect(it.done()).toEqual(["101 freeze"]);
  });

  test("of idle_timeout = off also for those who are idle", async () => {
    const { rig } = await rigWithWorker(0, { idleTimeout: 1_000 });
    await using it = rig;
    it.reconfigure({ idleTimeout: null });
    it.time.pass(1_000);
    expect(it.done()).toEqual([]);
  });

  test("of workers.* and restart", async () => {
    const { rig, worker } = await rigWithWorker(1, { workers: { connections: 1 } });
    await using it = rig;
    expect(it.handoff().holds(it.listener)).toBe(true);
    it.reconfigure({ workers: { connections: 2 } });
    expect(it.handoff().holds(it.listener)).toBe(false);
    await it.come();
    expect(it.handoff().holds(it.listener)).toBe(true);
    it.reconfigure({ workers: { max: 3, min: 2 } });
    expect(it.handoff().holds(it.listener)).toBe(false);
    it.handoff().resume();
    it.ready(it.worker(102));
    it.reconfigure({ workers: { maxServed: 2 }, restart: "no" });
    for (const id of [1, 2]) expect(await serveAndTell(worker)).toBe(id);
    await it.told("101 stop: max_served");
    it.done();
    it.gone(it.worker(102), true);
    expect(it.done()).toEqual(["ended: the worker ended before it had received a connection"]);
  });
});
