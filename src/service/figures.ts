/** What a service is measured by: plain numbers, counted as things happen or asked of the kernel at this moment. */
import type { ServiceStateName } from "../log/states.ts";
import { countConnections } from "../net/diag.ts";
import { takesConnections } from "../net/kind.ts";
import type { BoundListener } from "../net/listen.ts";
import type { ConnectionCount } from "../net/sample.ts";
import { queueLength } from "../net/waiting.ts";
import type { Counters } from "./counters.ts";
import type { Service } from "./service.ts";
import type { World } from "./world.ts";

export interface ServiceFigures {
  name: string;
  state: ServiceStateName;
  /** Whether tinetd does the accepting: else it cannot count who was let in. */
  accepts: boolean;
  counters: Counters;
  handlers: number;
  /** `null` where nobody can tell. */
  connections: number | null;
  listeners: number;
  /** Declared, and not bound at the moment. */
  missingListeners: number;
  /** How many wait at the listeners that clients connect to, by canonical address. */
  queues: ReadonlyMap<string, number>;
}

type Counts = ReadonlyMap<BoundListener, ConnectionCount>;

/** One question to the kernel at most per so many listeners. */
const listenersPerQuestion = 512;

/** Of services with the same name (one that a reload has removed may still be on its way out) the first counts. */
export function measureServices(
  world: Pick<World, "sys" | "diag">,
  services: readonly Service[],
): ServiceFigures[] {
  const names = new Set<string>();
  const distinct = services.filter(({ config: { name } }) => !names.has(name) && names.add(name));
  const counts = askKernel(world, distinct);
  return distinct.map((service) => ({
    name: service.config.name,
    state: service.state.name,
    accepts: service.accepts,
    counters: service.counters,
    handlers: service.handlers.size,
    connections: service.accepts ? service.connections.open : connectionsAt(service.listeners.bound, counts),
    listeners: service.listeners.bound.length,
    missingListeners: service.listeners.missing.length,
    queues: queuesOf(world.sys, service.listeners.bound, counts),
  }));
}

/** About all listeners whose connections or queues only sock_diag can tell; those of TCP are asked for theirs directly. */
function askKernel({ sys, diag }: Pick<World, "sys" | "diag">, services: readonly Service[]): Counts {
  const listeners = services.flatMap(({ accepts, listeners: { bound } }) =>
    bound.filter((listener) => isConnectedTo(listener) && (!accepts || listener.kind !== "tcp")),
  );
  const counts = new Map<BoundListener, ConnectionCount>();
  for (let first = 0; first < listeners.length; first += listenersPerQuestion) {
    const some = listeners.slice(first, first + listenersPerQuestion);
    const counted = countConnections(sys, diag, some);
    if (!counted.ok) continue;
    some.forEach((listener, n) => {
      const count = counted.value[n];
      if (count !== undefined) counts.set(listener, count);
    });
  }
  return counts;
}

function connectionsAt(listeners: readonly BoundListener[], counts: Counts): number | null {
  const known = listeners.flatMap((listener) => counts.get(listener) ?? []);
  return known.length === 0 ? null : known.reduce((sum, { held, queued }) => sum + held + queued, 0);
}

/** Listeners with `reuse_port` may share an address. */
function queuesOf(
  sys: World["sys"],
  listeners: readonly BoundListener[],
  counts: Counts,
): Map<string, number> {
  const queues = new Map<string, number>();
  for (const listener of listeners.filter(isConnectedTo)) {
    const length = queueLength(sys, listener) ?? counts.get(listener)?.queued;
    if (length === undefined) continue;
    const { canonical } = listener;
    queues.set(canonical, (queues.get(canonical) ?? 0) + length);
  }
  return queues;
}

function isConnectedTo({ kind }: BoundListener): boolean {
  return takesConnections(kind);
}
