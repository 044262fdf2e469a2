import { expect, test } from "vitest";
import { Reserve } from "../../../src/daemon/reserve.ts";

/** A process with room for so many descriptors. */
function makeTable(room: number) {
  const open = new Set<number>();
  let next = 10;
  return {
    open,
    resize: (to: number) => {
      room = to;
    },
    dup() {
      if (open.size >= room)
        throw Object.assign(new Error("dup"), { code: "EMFILE", errno: 24, syscall: "dup" });
      open.add(next);
      return next++;
    },
    close: (fd: number) => void open.delete(fd),
  };
}

test("what was lent is taken back as far as there is room, and the rest later", () => {
  const table = makeTable(4);
  const reserve = new Reserve(table, 3, 4);
  expect(table.open.size).toBe(4);
  const taken = reserve.lend(() => [table.dup(), table.dup()]);
  expect(table.open.size).toBe(4);
  expect(reserve.refill()).toBe(false);
  for (const fd of taken) table.close(fd);
  expect(reserve.refill()).toBe(true);
  expect(table.open.size).toBe(4);
});

test("a loan that fails is taken back too", () => {
  const table = makeTable(10);
  const reserve = new Reserve(table, 3, 4);
  expect(() =>
    reserve.lend(() => {
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(table.open.size).toBe(4);
});

test("nothing is held after the end", () => {
  const table = makeTable(10);
  new Reserve(table, 3, 4).close();
  expect(table.open.size).toBe(0);
});
