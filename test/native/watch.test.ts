/** Readiness: what is reported, when, and in which order things run. */
import { openSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DISCONNECT, type Fd, READABLE, type Watch, WRITABLE } from "../../src/native/sys.ts";
import { expectNoLeaks } from "./leaks.ts";
import { addonPath, closeAll, failure, loopback, ready, sys } from "./support.ts";

expectNoLeaks();

/** A watch that resolves with the arguments of its next call. */
function watching(fd: Fd): { watch: Watch; next: () => Promise<[number, number]> } {
  let resolve: (call: [number, number]) => void = () => {};
  const watch = sys.watch(fd, (events, status) => resolve([events, status]));
  const next = () =>
    new Promise<[number, number]>((done) => {
      resolve = done;
    });
  return { watch, next };
}

/** One turn of the event loop, polling included: whatever was ready by now has been reported. */
const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe("events", () => {
  test("are those asked for that hold, as long as they hold", async () => {
    const [near, far] = sys.socketpair("stream");
    const { watch, next } = watching(near);
    watch.start(READABLE | WRITABLE);
    expect(await next()).toEqual([WRITABLE, 0]);
    sys.write(far, Buffer.from("x"));
    watch.start(READABLE);
    expect(await next()).toEqual([READABLE, 0]);
    expect(await next()).toEqual([READABLE, 0]);
    watch.close();
    closeAll(near, far);
  });

  test("tell a peer that has shut down its side", async () => {
    const [near, far] = sys.socketpair("stream");
    const { watch, next } = watching(near);
    watch.start(DISCONNECT);
    sys.shutdown(far, "write");
    expect(await next()).toEqual([DISCONNECT, 0]);
    watch.close();
    closeAll(near, far);
  });

  test("an error condition is -EBADF and stops the watch, which starts again", async () => {
    const server = sys.socket("inet", "dgram");
    sys.bind(server, loopback);
    const client = sys.socket("inet", "dgram");
    sys.connect(client, sys.getsockname(server));
    sys.close(server);
    const { watch, next } = watching(client);
    watch.start(READABLE);
    sys.write(client, Buffer.from("nobody listens"));
    expect(await next()).toEqual([0, -9]);
    expect(failure(() => sys.read(client, Buffer.alloc(1)))).toMatchObject({ code: "ECONNREFUSED" });
    watch.start(WRITABLE);
    expect(await next()).toEqual([WRITABLE, 0]);
    watch.close();
    sys.close(client);
  });
});

test("a watched descriptor is non-blocking", () => {
  const [read, write] = sys.pipe();
  sys.watch(read, () => {}).close();
  expect([sys.isBlocking(read), sys.isBlocking(write)]).toEqual([false, true]);
  closeAll(read, write);
});

test("a stopped watch is silent, and can be started again", async () => {
  const [read, write] = sys.pipe();
  sys.write(write, Buffer.from("x"));
  let calls = 0;
  const watch = sys.watch(read, () => calls++);
  await turn();
  expect(calls).toBe(0);
  watch.start(READABLE);
  await ready(write, WRITABLE);
  await turn();
  expect(calls).toBeGreaterThan(0);
  watch.stop();
  const before = calls;
  await turn();
  expect(calls).toBe(before);
  watch.start(READABLE);
  await turn();
  expect(calls).toBeGreaterThan(before);
  watch.close();
  closeAll(read, write);
});

test("a closed watch is silent for good, also in the turn in which it was due, and closing again is nothing", async () => {
  const pipes = [sys.pipe(), sys.pipe()];
  const calls: number[] = [];
  const watches = pipes.map(([read, write], i) => {
    sys.write(write, Buffer.from("x"));
    return sys.watch(read, () => {
      calls.push(i);
      for (const watch of watches) watch.close();
    });
  });
  for (const watch of watches) watch.start(READABLE);
  await turn();
  expect(calls).toHaveLength(1);
  for (const watch of watches) {
    watch.close();
    watch.start(READABLE);
    watch.stop();
    watch.ref();
    watch.unref();
  }
  await turn();
  expect(calls).toHaveLength(1);
  closeAll(...pipes.flat());
});

test("what a callback has scheduled runs before the next callback", async () => {
  const pipes = [sys.pipe(), sys.pipe()];
  const order: string[] = [];
  const watches = pipes.map(([read, write]) => {
    sys.write(write, Buffer.from("x"));
    const watch = sys.watch(read, () => {
      watch.close();
      order.push("callback");
      process.nextTick(() => order.push("tick"));
      Promise.resolve().then(() => order.push("microtask"));
    });
    return watch;
  });
  for (const watch of watches) watch.start(READABLE);
  await turn();
  expect(order).toEqual(["callback", "tick", "microtask", "callback", "tick", "microtask"]);
  closeAll(...pipes.flat());
});

test("a number is watched once at a time", () => {
  const [read, write] = sys.pipe();
  const first = sys.watch(read, () => {});
  first.start(READABLE);
  expect(failure(() => sys.watch(read, () => {}))).toMatchObject({ code: "EEXIST" });
  first.close();
  sys.watch(read, () => {}).close();
  closeAll(read, write);
});

test("what cannot be watched is refused", () => {
  const file = openSync(addonPath, "r");
  expect(failure(() => sys.watch(file, () => {}))).toMatchObject({ code: "EPERM", syscall: "watch" });
  sys.close(file);
  expect(() => sys.watch(0, null as unknown as () => void)).toThrow("callback must be a function");
});

test("methods are for watches only", () => {
  const [read, write] = sys.pipe();
  const watch = sys.watch(read, () => {});
  expect(() => watch.start.call({} as Watch, READABLE)).toThrow("Illegal invocation");
  expect(() => watch.start("1" as unknown as number)).toThrow(TypeError);
  watch.close();
  closeAll(read, write);
});
