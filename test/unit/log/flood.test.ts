import { expect, test } from "vitest";
import type { DaemonEvent } from "../../../src/log/events.ts";
import { budgetOf, describeSummary, FloodGate, summaryEveryMs } from "../../../src/log/flood.ts";

const refused = (n: number, service = "s", reason: "denied" | "limit" = "denied"): DaemonEvent => ({
  event: "connection.refused",
  service,
  reason,
  remote: `tcp://192.0.2.1:${n}`,
  local: "tcp://192.0.2.2:22",
});
const perSecond = budgetOf(refused(1))?.perSecond ?? 0;

/** How many of `count` are let through. */
function pour(gate: FloodGate, count: number, now: number, event = refused): number {
  let passed = 0;
  for (let n = 1; n <= count; n++) if (gate.admit(event(n), now)) passed += 1;
  return passed;
}

test("as many as the budget has pass in a second, the rest is counted, and the last of it shown", () => {
  const gate = new FloodGate();
  expect(pour(gate, perSecond, 0)).toBe(perSecond);
  expect(gate.due).toBeNull();
  expect(pour(gate, 1_000, 500)).toBe(0);
  expect(gate.due).toBe(500 + summaryEveryMs);
  // The next second has a budget of its own, and what it holds back is in the same summary.
  expect(pour(gate, 2 * perSecond, 1_000)).toBe(perSecond);
  expect(gate.due).toBe(500 + summaryEveryMs);
  const [summary, ...more] = gate.summaries(5_500);
  expect(more).toEqual([]);
  expect(summary).toEqual({ event: refused(2 * perSecond), suppressed: 1_000 + perSecond, duringMs: 5_000 });
  expect(gate.due).toBeNull();
  expect(gate.summaries(6_000)).toEqual([]);
});

test("services and reasons do not take from each other", () => {
  const gate = new FloodGate();
  pour(gate, 10 * perSecond, 0);
  expect(pour(gate, 1, 0, (n) => refused(n, "other"))).toBe(1);
  expect(pour(gate, 1, 0, (n) => refused(n, "s", "limit"))).toBe(1);
});

test("nothing is lost: what passed and what was counted is all there was", () => {
  const gate = new FloodGate();
  let passed = 0;
  let counted = 0;
  for (let now = 0; now < 20_000; now += 7) {
    passed += pour(gate, 3, now);
    if (gate.due !== null && now >= gate.due) {
      for (const { suppressed } of gate.summaries(now)) counted += suppressed;
    }
  }
  for (const { suppressed } of gate.summaries(20_000)) counted += suppressed;
  expect(passed + counted).toBe(Math.ceil(20_000 / 7) * 3);
  expect(passed).toBeLessThanOrEqual(21 * perSecond);
});

test.each<DaemonEvent>([
  { event: "connection.accepted", service: "s", connection: 1, remote: "r", local: "l" },
  { event: "service.failed", service: "s", reason: "x", retry_ms: null },
  { event: "handler.started", service: "s", pid: 1 },
  { event: "daemon.shutdown", reason: "SIGTERM" },
])("$event is never held back", (event) => {
  const gate = new FloodGate();
  let passed = 0;
  for (let n = 0; n < 10_000; n++) if (gate.admit(event, 0)) passed += 1;
  expect(passed).toBe(10_000);
});

test("the budgets of services that come and go do not pile up", () => {
  const gate = new FloodGate();
  for (let n = 0; n < 20_000; n++) gate.admit(refused(1, `s${n}`), n);
  expect(gate.size).toBeLessThanOrEqual(1_025);
});

test("a summary says how many it stands for", () => {
  expect(describeSummary({ event: refused(9), suppressed: 1_234, duringMs: 5_000 })).toBe(
    '"s" refused tcp://192.0.2.1:9: denied (the last of 1234 that were not logged, in 5.0s)',
  );
});
