/** A relay lives as long as its connections do: past the references to it, and not past its thread. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { expectNoLeaks } from "./leaks.ts";
import { connection } from "./peer.ts";
import { addonPath, node, run, sys } from "./support.ts";

expectNoLeaks();

test("one to which nothing refers is not collected", async () => {
  const ran = await run(
    node(`
      const [[a, nearA], [b, nearB]] = [sys.socketpair("stream"), sys.socketpair("stream")];
      sys.relay(nearA, nearB, ({ reason }) => console.log(reason));
      setImmediate(() => {
        gc();
        sys.write(a, Buffer.from("x"));
        const watch = sys.watch(b, () => {
          watch.close();
          console.log(sys.read(b, Buffer.alloc(10)));
          gc();
          sys.close(a);
          sys.close(b);
        });
        watch.start(1);
      });
    `),
  );
  // It alone kept the process alive, and its end let it go.
  expect(ran).toMatchObject({ output: "1\nend\n", code: 0 });
});

test("those that have ended, were closed or detached are collected", async () => {
  const ran = await run(
    node(`
      let collected = 0;
      const registry = new FinalizationRegistry(() => collected++);
      for (let i = 0; i < 150; i++) {
        const [[a, nearA], [b, nearB]] = [sys.socketpair("stream"), sys.socketpair("stream")];
        const onEnd = () => {};
        const relay = sys.relay(nearA, nearB, onEnd);
        registry.register(relay);
        registry.register(onEnd);
        if (i % 3 === 0) relay.close();
        if (i % 3 === 1) [relay.detach()].forEach((state) => [state.a, state.b].forEach(sys.close));
        [a, b].forEach((fd) => sys.close(fd));
      }
      let turns = 0;
      const look = () => { gc(); if (collected < 290 && turns++ < 1000) setImmediate(look); else console.log(collected >= 290); };
      setImmediate(look);
    `),
  );
  expect(ran).toMatchObject({ output: "true\n", code: 0 });
});

test("an exception in the callback is an uncaught one", async () => {
  const ran = await run(
    node(`
      process.on("uncaughtException", (error) => console.log(error.message));
      for (const n of [1, 2]) {
        const [[a, nearA], [b, nearB]] = [sys.socketpair("stream"), sys.socketpair("stream")];
        sys.relay(nearA, nearB, () => { throw new Error("call " + n); });
        sys.close(a);
        sys.close(b);
      }
    `),
  );
  expect(ran).toMatchObject({ output: "call 1\ncall 2\n", code: 0 });
});

test("its methods are for relays", async () => {
  const [toA, toB] = [await connection("unix"), await connection("unix")];
  const relay = sys.relay(toA.near, toB.near, () => {});
  for (const method of [relay.bytes, relay.idleMs, relay.close, relay.state, relay.detach])
    expect(() => Reflect.apply(method, {}, [])).toThrow(TypeError);
  relay.close();
  toA.peer.close();
  toB.peer.close();
});

test("those of a worker thread end with it, in whatever state", async () => {
  const pairs = await Promise.all(
    Array.from({ length: 20 }, async () => ({ a: await connection("tcp"), b: await connection("unix") })),
  );
  const worker = new Worker(
    `
      const { parentPort, workerData } = require("node:worker_threads");
      const sys = require(workerData.addon);
      for (const [a, b] of workerData.pairs) sys.relay(a, b, () => {});
      parentPort.postMessage("begun");
    `,
    { eval: true, workerData: { addon: addonPath, pairs: pairs.map(({ a, b }) => [a.near, b.near]) } },
  );
  await once(worker, "message");
  for (const { a, b } of pairs) {
    a.peer.fill();
    await b.peer.read();
  }
  await worker.terminate();
  for (const { a, b } of pairs) {
    await b.peer.readAll();
    a.peer.close();
    b.peer.close();
  }
});
