/**
 * What a service learns from the kernel about connections that its handlers have accepted by themselves, and about
 * handlers that have none. Where the kernel cannot tell, nobody is taken for idle.
 */
import type { HandlerRef } from "../handoff/handoff.ts";
import { formatSocketAddress } from "../net/address.ts";
import { countConnections, sampleConnections } from "../net/diag.ts";
import { takesConnections } from "../net/kind.ts";
import type { BoundListener } from "../net/listen.ts";
import { isQuiet, type TcpSample } from "../net/sample.ts";
import { twinOf } from "../net/twin.ts";
import { takesDatagrams, waitingAt } from "../net/waiting.ts";
import { contextSwitches } from "../process/activity.ts";
import type { World } from "./world.ts";

/** Who waits for the next worker is connected as well. */
function twinsOf(listener: BoundListener): BoundListener[] {
  const twin = twinOf(listener);
  return twin === null ? [] : [twin];
}

export class Traces {
  readonly #world: Pick<World, "sys" | "diag">;
  /** Context switches of the workers when they were last looked at. */
  #switches = -1;

  constructor(world: Pick<World, "sys" | "diag">) {
    this.#world = world;
  }

  /** Open and queued connections; `null` if nobody can tell. */
  count(listeners: readonly BoundListener[]): number | null {
    const { sys, diag } = this.#world;
    const streams = listeners
      .filter(({ kind }) => kind !== "fifo" && takesConnections(kind))
      .flatMap((listener) => [listener, ...twinsOf(listener)]);
    if (streams.length === 0) return null;
    const counts = countConnections(sys, diag, streams);
    return counts.ok ? counts.value.reduce((sum, { held, queued }) => sum + held + queued, 0) : null;
  }

  /** Whether nobody is there, and `workers` have not stirred since the last time where that says it. */
  isQuiet(listeners: readonly BoundListener[], workers: readonly HandlerRef[]): boolean {
    if (!this.isDeserted(listeners)) return false;
    if (!listeners.some(isUncounted)) return true;
    const switches = workers.reduce((sum, { pid }) => sum + contextSwitches(pid), 0);
    const rested = switches === this.#switches;
    this.#switches = switches;
    return rested;
  }

  /** Whether nobody is connected nor about to be, and nothing waits. */
  isDeserted(listeners: readonly BoundListener[]): boolean {
    const { sys, diag } = this.#world;
    const counts = countConnections(sys, diag, listeners);
    if (!counts.ok || !counts.value.every(isQuiet)) return false;
    return listeners.filter(isUncounted).every((listener) => waitingAt(sys, diag, listener).length === 0);
  }

  /** Every TCP connection that came through `listeners`, as far as the kernel tells. */
  samples(listeners: readonly BoundListener[]): TcpSample[] {
    const samples = sampleConnections(this.#world.sys, this.#world.diag, listeners);
    return samples.ok ? samples.value : [];
  }

  /** Who waits to be accepted, in canonical form; `null` if nobody does, or it has no address. */
  whoWaits(listeners: readonly BoundListener[]): string | null {
    const waiting = this.samples(listeners).find(({ held, state }) => !held && state === "established");
    return waiting === undefined ? null : formatSocketAddress("tcp", waiting.remote);
  }

  /** How long each TCP connection has carried nothing, in milliseconds, by SO_COOKIE. */
  tcpIdleMs(listeners: readonly BoundListener[]): ReadonlyMap<string, number> {
    return new Map(this.samples(listeners).map(({ cookie, idleMs }) => [cookie, idleMs]));
  }
}

/** The kernel counts no connections there. */
function isUncounted({ kind }: BoundListener): boolean {
  return kind === "fifo" || takesDatagrams(kind);
}
