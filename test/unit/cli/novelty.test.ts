import { expect, test } from "vitest";
import { novelty } from "../../../src/cli/events.ts";
import type { LoggedEvent } from "../../../src/control/messages.ts";

const event = (time: string, connection: number) =>
  ({ time, event: "connection.accepted", connection }) as unknown as LoggedEvent;

test("what a daemon repeats after an upgrade is not printed twice, and nothing else is left out", () => {
  const isNew = novelty();
  const before = [event("10:00:00.001", 1), event("10:00:00.002", 2), event("10:00:00.002", 3)];
  expect(before.map(isNew)).toEqual([true, true, true]);
  const after = [...before, event("10:00:00.002", 4), event("10:00:00.003", 5)];
  expect(after.map(isNew)).toEqual([false, false, false, true, true]);
});
