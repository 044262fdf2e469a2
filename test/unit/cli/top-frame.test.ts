import { describe, expect, test } from "vitest";
import { type Sample, topFrame } from "../../../src/cli/top-frame.ts";
import type { ConnectionEntry, HandlerEntry } from "../../../src/control/messages.ts";

const start = Date.UTC(2026, 0, 1);
const screen = { width: 79, colour: false };

function handler(pid: number, cpuMs: number | null): HandlerEntry {
  return {
    pid,
    state: "ready",
    connections: 1,
    started_at: new Date(start).toISOString(),
    idle_for_ms: null,
    service: "ssh",
    peer: `tcp://[2001:db8::${pid}]:50123`,
    bytes_in: 1,
    bytes_out: 2,
    cpu_ms: cpuMs,
    memory_bytes: 1024 ** 2,
    status: null,
  };
}

function connection(id: number, idleMs: number | null): ConnectionEntry {
  return {
    id,
    service: "ssh",
    pid: id,
    remote: "tcp://192.0.2.1:50123",
    local: "tcp://192.0.2.2:22",
    started_at: null,
    idle_for_ms: idleMs,
    bytes_in: 1,
    bytes_out: 2,
  };
}

function sample(at: number, handlers: HandlerEntry[], connections: ConnectionEntry[] = []): Sample {
  const daemon = {
    pid: 1,
    version: "1.2.3",
    started_at: new Date(start).toISOString(),
    config: "/etc/tinetd/inetd.toml",
    generation: 1,
    connections: connections.length,
  };
  return { at, status: { daemon, services: [] }, handlers, connections };
}

/** The first words of the lines below a head, up to an empty line. */
function column(frame: readonly string[], head: string): string[] {
  const from = frame.findIndex((line) => line.trimStart().startsWith(head)) + 1;
  const lines = frame.slice(from);
  const end = lines.indexOf("");
  return (end < 0 ? lines : lines.slice(0, end)).map((line) => line.trim().split(" ")[0] ?? "");
}

test("the busiest handler comes first, by what it used since the sample before", () => {
  const before = sample(start, [handler(1, 5000), handler(2, 0), handler(3, null)]);
  const now = sample(start + 2000, [handler(1, 5000), handler(2, 1000), handler(3, null), handler(4, 9000)]);
  const frame = topFrame({ now, before }, screen, 24);
  expect(column(frame, "PID")).toEqual(["2", "1", "3", "4"]);
  const share = (pid: number) =>
    frame
      .find((line) => line.trimStart().startsWith(`${pid}  `))
      ?.split(/ +/)
      .at(-2);
  expect([1, 2, 3, 4].map(share)).toEqual(["0.0", "50", "-", "-"]);
  expect(frame[1]).toBe("4 handlers using 50% CPU and 4.0M, 0 connections");
});

test("a pid that another has now shows no negative share", () => {
  const frame = topFrame(
    { now: sample(start + 1000, [handler(1, 0)]), before: sample(start, [handler(1, 5000)]) },
    screen,
    24,
  );
  expect(frame.join("\n")).not.toMatch(/-\d/);
});

test("connections with the latest traffic come first, equals in their order", () => {
  const connections = [connection(1, null), connection(2, 9000), connection(3, 400), connection(4, 100)];
  const frame = topFrame({ now: sample(start, [], connections), before: null }, screen, 24);
  expect(column(frame, "CONN")).toEqual(["3", "4", "2", "1"]);
});

describe("never more lines or columns than there are", () => {
  const handlers = Array.from({ length: 100 }, (_, index) => handler(index + 1, 0));
  const connections = Array.from({ length: 100 }, (_, index) => connection(index + 1, 0));
  test.each([5, 6, 10, 24, 60])("%d lines", (rows) => {
    for (const width of [19, 40, 79, 200]) {
      const now = sample(start, handlers, connections);
      const frame = topFrame({ now, before: null }, { width, colour: false }, rows);
      expect(frame.length).toBeLessThanOrEqual(rows);
      for (const line of frame) expect(line.length).toBeLessThanOrEqual(width);
    }
  });

  test("each table gets its share, and what the other does not need", () => {
    const both = topFrame({ now: sample(start, handlers, connections), before: null }, screen, 24);
    expect([column(both, "PID").length, column(both, "CONN").length]).toEqual([9, 9]);
    const few = topFrame({ now: sample(start, handlers.slice(0, 2), connections), before: null }, screen, 24);
    expect([column(few, "PID").length, column(few, "CONN").length]).toEqual([2, 16]);
  });
});
