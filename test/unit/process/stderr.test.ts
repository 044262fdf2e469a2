import { expect, test } from "vitest";
import { openPipe } from "./pipe.ts";

test("lines are cut from what comes, whatever pieces it comes in", () => {
  const { told, write } = openPipe();
  write("one\ntw", "o\n\nthree", "\n");
  expect(told).toEqual(["one", "two", "three"]);
});

test("a character that two reads share stays whole", () => {
  const { told, write } = openPipe();
  const letters = Buffer.from("größe 漢字\n");
  for (const byte of letters) write(Buffer.of(byte));
  expect(told).toEqual(["größe 漢字"]);
});

test("a line without end takes no more memory than the longest that is kept", () => {
  const { told, write } = openPipe();
  for (let count = 0; count < 100; count++) write("x".repeat(10_000));
  write("\nnext\n");
  expect(told).toEqual(["x".repeat(1024), "next"]);
});

test("beyond 100 lines a second they are counted, and the pipe is left alone for a moment", () => {
  const { told, write, state, later } = openPipe();
  write("line\n".repeat(130));
  expect(told).toEqual(Array(100).fill("line"));
  expect(state.watching).toBe(false);
  write("waits\n".repeat(20));
  later(250);
  expect(told.slice(100)).toEqual([30]);
  expect(state.watching).toBe(false);
  later(1_000);
  expect(told.slice(100)).toEqual([30, 20]);
  write("new\n");
  expect(told.at(-1)).toBe("new");
});

test("the end takes the last words, with and without a newline, and the count of what was dropped", () => {
  const last = openPipe();
  last.write("one\nlast words");
  last.end();
  expect(last.told).toEqual(["one", "last words"]);
  expect(last.state).toEqual({ watching: false, closed: true, ended: true });

  const flood = openPipe();
  flood.write("line\n".repeat(150));
  flood.end();
  flood.later(250);
  expect(flood.told.slice(100)).toEqual([50]);
  expect(flood.state.closed).toBe(true);
});

test("finish takes what is there, though writers are left", () => {
  const { told, write, pipe, state } = openPipe();
  write("line\n".repeat(101));
  write("and this\n");
  pipe.finish();
  expect(told.slice(100)).toEqual([2]);
  expect(state).toEqual({ watching: false, closed: true, ended: false });
  pipe.finish();
  expect(told).toHaveLength(101);
});

test("the half of a line, and of a character, is kept for another process image", () => {
  const bytes = Buffer.from("größe\n");
  const first = openPipe();
  first.write("one\n", bytes.subarray(0, 3));
  const saved = first.saved();
  expect(saved.fd).toBe(6);
  const second = openPipe(saved);
  second.write(bytes.subarray(3));
  expect([...first.told, ...second.told]).toEqual(["one", "größe"]);
  // Nothing of it has changed by being saved.
  first.write(bytes.subarray(3));
  expect(first.told).toEqual(["one", "größe"]);
});

test("a flood goes on being one, and what was dropped before is told", () => {
  const first = openPipe();
  first.write("line\n".repeat(130));
  const second = openPipe(first.saved(), 10);
  expect(second.state.watching).toBe(false);
  second.later(250);
  expect([second.told, second.state.watching]).toEqual([[30], true]);
  second.write("too many\n");
  expect([second.told, second.state.watching]).toEqual([[30], false]);
  second.later(1_000);
  second.write("new\n");
  expect(second.told).toEqual([30, 1, "new"]);
});
