/** A `StderrPipe` whose other end, clock and reader are the test's. */
import { type SavedStderrPipe, StderrPipe } from "../../../src/process/stderr.ts";
import type { Clock } from "../../../src/util/clock.ts";

/** @param saved of a pipe that was open before, at the same time */
export function openPipe(saved: SavedStderrPipe | null = null, startedAt = 0) {
  /** Lines, and the numbers of those that were dropped. */
  const told: (string | number)[] = [];
  const state = { watching: false, closed: false, ended: false };
  const waiting: (Buffer | "end")[] = [];
  let now = startedAt;
  let timer: (() => void) | null = null;
  let onReadable: (() => void) | null = null;

  const sys = {
    watch(_: number, callback: (events: number, status: number) => void) {
      onReadable = () => callback(1, 0);
      return { start: watching(true), stop: watching(false), close: watching(false), ref() {}, unref() {} };
    },
    read(_: number, buffer: Uint8Array) {
      const next = waiting.shift();
      if (next === undefined) return null;
      if (next === "end") return 0;
      buffer.set(next);
      return next.length;
    },
    close() {
      state.closed = true;
    },
  };
  function watching(on: boolean): () => void {
    return () => {
      state.watching = on;
    };
  }

  const clock: Clock = {
    now: () => now,
    wall: () => new Date(0),
    after(_, callback) {
      timer = callback;
      return {
        cancel() {
          timer = null;
        },
      };
    },
  };

  const pipe = new StderrPipe(
    sys,
    clock,
    5,
    (text, dropped) => told.push(dropped > 0 ? dropped : text),
    () => {
      state.ended = true;
    },
    saved,
  );

  function deliver(): void {
    while (state.watching && waiting.length > 0) onReadable?.();
  }

  return {
    told,
    state,
    pipe,
    /** As another process image reads it. */
    saved: () => JSON.parse(JSON.stringify(pipe.save((fd) => fd + 1))) as SavedStderrPipe,
    /** Each part is one read. */
    write(...parts: (string | Buffer)[]) {
      waiting.push(...parts.map((part) => Buffer.from(part)));
      deliver();
    },
    /** The last writer has gone. */
    end() {
      waiting.push("end");
      deliver();
    },
    /** Time passes, and a timer with it. */
    later(ms: number) {
      now += ms;
      const due = timer;
      timer = null;
      due?.();
      deliver();
    },
  };
}
