import { expect, test } from "vitest";
import { Total } from "../../../src/service/world.ts";

test("counts what is open", () => {
  const total = new Total(2);
  total.add();
  total.add();
  total.remove();
  expect([total.count, total.max]).toEqual([1, 2]);
});

test("an end tells everybody who waits, once", () => {
  const total = new Total(1);
  const told: string[] = [];
  total.add();
  total.wait(() => told.push("one"));
  total.wait(() => told.push("other"));
  total.remove();
  expect(told).toEqual(["one", "other"]);
  total.add();
  total.remove();
  expect(told).toHaveLength(2);
});

test("who finds no room after all may wait again, for the next end", () => {
  const total = new Total(1);
  let tries = 0;
  const again = () => {
    tries += 1;
    total.wait(again);
  };
  total.add();
  total.wait(again);
  total.remove();
  expect(tries).toBe(1);
  total.add();
  total.remove();
  expect(tries).toBe(2);
});
