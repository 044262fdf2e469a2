/** What the tests of `proxy` end with: the daemon that the clients have woken goes when nobody is there. */
import { expect } from "vitest";
import type { Logged } from "../e2e/rig/event-log.ts";
import { eventually } from "../e2e/rig/proc.ts";
import type { Rig } from "../e2e/rig/rig.ts";

/**
 * Waits until the idle daemon was stopped, in good order and with all that it has started.
 * @param after its start
 * @returns its end
 */
export async function idleStopped(rig: Rig, after?: Logged): Promise<Logged> {
  const since = after === undefined ? {} : { after };
  const { pid } = await rig.event("handler.started", {}, since);
  expect(await rig.event("handler.stopping", { pid }, since)).toMatchObject({ reason: "idle_timeout" });
  const exited = await rig.event("handler.exited", { pid }, since);
  expect(exited).toMatchObject({ code: 0, signal: null });
  await eventually("no process is left", () => rig.descendants().length === 0);
  return exited;
}

/** So many daemons have come and gone, and nobody was turned away. */
export async function expectNobodyLost(rig: Rig, spawned: number): Promise<void> {
  expect((await rig.status()).services).toMatchObject([
    {
      state: "listening",
      spawned,
      start_failures: 0,
      refused: {},
      connections: 0,
      handlers: [],
      failure: null,
    },
  ]);
}
