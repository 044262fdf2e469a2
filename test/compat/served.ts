/** What every compat test ends with: each connection had its handler, and nothing of any is left. */
import { expect } from "vitest";
import type { Logged } from "../e2e/rig/event-log.ts";
import { eventually } from "../e2e/rig/proc.ts";
import type { Rig } from "../e2e/rig/rig.ts";

/** The state of the daemon before anybody connects, to be compared with. */
export interface Idle {
  descriptors: number;
}

/** Looks at a daemon that has only just started: nothing runs for a service before somebody connects. */
export function expectIdle(rig: Rig): Idle {
  expect(rig.descendants()).toEqual([]);
  return { descriptors: rig.descriptors() };
}

/**
 * Waits until `count` handlers of the service, one per connection, have come and gone, and expects the daemon to be
 * as it was: listening, with no handler, no process and no descriptor more than before.
 */
export async function expectServed(rig: Rig, service: string, count: number, before: Idle): Promise<void> {
  const pids = new Set<number>();
  let previous: Logged | undefined;
  for (let n = 0; n < count; n++) {
    const started = await rig.event(
      "handler.started",
      { service },
      previous === undefined ? {} : { after: previous },
    );
    await rig.event("handler.exited", { service, pid: started.pid }, { after: started });
    await rig.event("connection.closed", { service, pid: started.pid }, { after: started });
    pids.add(started.pid);
    previous = started;
  }
  expect(pids.size).toBe(count);

  const { services } = await rig.status();
  const status = services.find(({ name }) => name === service);
  expect(status).toMatchObject({
    state: "listening",
    handlers: [],
    connections: 0,
    accepted: count,
    spawned: count,
    refused: {},
    start_failures: 0,
    failure: null,
  });
  await eventually("no process is left", () => rig.descendants().length === 0);
  await eventually("no descriptor is left", () => rig.descriptors() <= before.descriptors);
}

/** The end of a worker. */
export interface Gone {
  exited: Logged<"handler.exited">;
  /** What the daemon keeps open of what it has needed for the first one. */
  descriptors: number;
}

/**
 * Waits until the service's worker, the first or that after the previous one, has ended, and expects the daemon to be
 * as it was: listening, with no process and no descriptor more than after the previous one.
 */
export async function expectGone(rig: Rig, service: string, previous?: Gone): Promise<Gone> {
  const after = previous === undefined ? {} : { after: previous.exited };
  const started = await rig.event("handler.started", { service }, after);
  const exited = await rig.event("handler.exited", { service, pid: started.pid }, { after: started });
  await eventually("no process is left", () => rig.descendants().length === 0);
  if (previous !== undefined) {
    await eventually("no descriptor is left", () => rig.descriptors() <= previous.descriptors);
  }
  const { services } = await rig.status();
  expect(services.find(({ name }) => name === service)).toMatchObject({
    state: "listening",
    handlers: [],
    start_failures: 0,
    failure: null,
  });
  return { exited, descriptors: rig.descriptors() };
}
