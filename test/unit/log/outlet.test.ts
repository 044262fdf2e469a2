import { expect, test } from "vitest";
import type { Destination, Entry } from "../../../src/log/destination.ts";
import { Outlet } from "../../../src/log/outlet.ts";

const entry = (msg: string): Entry => ({ level: "info", fields: {}, msg });

/** A destination that takes what it gets, and is closed when the test says so. */
function place(lost = 0) {
  const taken: string[] = [];
  let settle = (_free: boolean) => {};
  const closing = new Promise<boolean>((resolve) => {
    settle = resolve;
  });
  let asked = false;
  const destination: Destination = {
    write: ({ msg }) => void taken.push(msg),
    lost,
    reopen: () => taken.push("reopened"),
    flush: async () => true,
    close() {
      asked = true;
      return closing;
    },
  };
  return { destination, taken, settle, isAskedToClose: () => asked };
}

test("what comes after the change goes to the next, and the one before is closed", () => {
  const [first, second] = [place(), place()];
  const outlet = new Outlet(first.destination);
  outlet.write(entry("one"));
  outlet.replace(second.destination);
  outlet.write(entry("two"));
  outlet.reopen();
  expect([first.taken, second.taken]).toEqual([["one"], ["two", "reopened"]]);
  expect([first.isAskedToClose(), second.isAskedToClose()]).toEqual([true, false]);
});

test("what was lost is the sum of all that ever were", async () => {
  const [first, second] = [place(3), place(4)];
  const outlet = new Outlet(first.destination);
  outlet.replace(second.destination);
  expect(outlet.lost).toBe(7);
  first.settle(true);
  await outlet.flush();
  expect(outlet.lost).toBe(7);
});

test("a flush waits for those that are being closed", async () => {
  const [first, second] = [place(), place()];
  const outlet = new Outlet(first.destination);
  outlet.replace(second.destination);
  let flushed = false;
  const flushing = outlet.flush().then((free) => {
    flushed = true;
    return free;
  });
  await Promise.resolve();
  expect(flushed).toBe(false);
  first.settle(true);
  expect(await flushing).toBe(true);
});

test("a thread that waits for one of them for ever is still told of at the end", async () => {
  const [first, second] = [place(), place()];
  const outlet = new Outlet(first.destination);
  outlet.replace(second.destination);
  first.settle(false);
  await outlet.flush();
  second.settle(true);
  expect(await outlet.close()).toBe(false);
});
