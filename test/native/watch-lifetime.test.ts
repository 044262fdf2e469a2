/** A watch lives exactly as long as it should: past the references to it, and not past its close or its thread. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import type { Fd } from "../../src/native/sys.ts";
import { expectNoLeaks } from "./leaks.ts";
import { addonPath, closeAll, ended, node, readAll, ready, run, sys } from "./support.ts";

expectNoLeaks();

describe("in a Node of its own", () => {
  test("a watch to which nothing refers is not collected", async () => {
    const ran = await run(
      node(`
        const [read, write] = sys.pipe();
        (() => {
          const watch = sys.watch(read, () => { console.log("called"); watch.close(); });
          watch.start(1);
        })();
        setImmediate(() => {
          gc();
          sys.write(write, Buffer.from("x"));
        });
      `),
    );
    expect(ran).toMatchObject({ output: "called\n", code: 0 });
  });

  test("closed watches are collected", async () => {
    const ran = await run(
      node(`
        const [read] = sys.pipe();
        let collected = 0;
        const registry = new FinalizationRegistry(() => collected++);
        for (let i = 0; i < 100; i++) {
          const callback = () => {};
          registry.register(callback);
          const watch = sys.watch(read, callback);
          registry.register(watch);
          watch.start(1);
          watch.close();
        }
        const look = () => { gc(); if (collected < 190) setImmediate(look); else console.log("collected"); };
        setImmediate(look);
      `),
    );
    expect(ran).toMatchObject({ output: "collected\n", code: 0 });
  });

  test("an exception in a callback is an uncaught one, and the next callback comes", async () => {
    const ran = await run(
      node(`
        process.on("uncaughtException", (error) => console.log(error.message));
        const [read, write] = sys.pipe();
        sys.write(write, Buffer.from("x"));
        let calls = 0;
        const watch = sys.watch(read, () => {
          calls++;
          if (calls === 3) watch.close();
          throw new Error("call " + calls);
        });
        watch.start(1);
      `),
    );
    expect(ran).toMatchObject({ output: "call 1\ncall 2\ncall 3\n", code: 0 });
    const fatal = await run(node(`const w = sys.watch(1, () => { throw new Error("fatal") }); w.start(2);`));
    expect(fatal.code).toBe(1);
    expect(fatal.output).toContain("Error: fatal");
  });

  test.each([
    ["", "watching\nwoken\n"],
    ["watch.unref();", "watching\n"],
    ["watch.unref(); watch.ref();", "watching\nwoken\n"],
  ])("a watch keeps the process alive unless told not to: %s", async (call, expected) => {
    const [read, write] = sys.pipe();
    const [output, input] = sys.pipe();
    const script = `
      const watch = sys.watch(0, () => { watch.close(); console.log("woken"); });
      watch.start(1);
      ${call}
      console.log("watching");
    `;
    const child = sys.spawn(sys.prepare(node(script)), [read, input, input], []);
    closeAll(read, input);
    await ready(output);
    if (expected.includes("woken")) sys.write(write, Buffer.from("x"));
    expect(await readAll(output)).toBe(expected);
    await ended(child);
    closeAll(write, output);
  });

  test("watches left open do not hinder the end", async () => {
    const open =
      "const [read] = sys.pipe(); for (let i = 0; i < 5; i++) sys.watch(sys.dup(read), () => {}).start(1);";
    expect(await run(node(`${open} process.exit(3)`))).toMatchObject({ code: 3, output: "" });
    expect(await run(node(`${open} setImmediate(() => { throw 1 })`))).toMatchObject({ code: 1 });
  });
});

test.each([
  ["ends", "setImmediate(() => process.exit(7));", 7],
  ["is ended", "", 1],
])("a worker that %s with watches open leaves nothing", async (_, last, code) => {
  const worker = new Worker(
    `
    const sys = require(${JSON.stringify(addonPath)});
    const [read, write] = sys.pipe();
    const fds = [read, write, sys.dup(read)];
    for (const fd of fds) sys.watch(fd, () => {}).start(1);
    require("node:worker_threads").parentPort.postMessage(fds);
    ${last}
    `,
    { eval: true },
  );
  const [[fds]] = (await Promise.all([once(worker, "message"), once(worker, "online")])) as [[Fd[]], unknown];
  const exit = once(worker, "exit");
  if (last === "") worker.terminate();
  expect(await exit).toEqual([code]);
  closeAll(...fds);
});
