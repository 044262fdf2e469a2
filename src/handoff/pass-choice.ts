/** Which worker of `pass` gets the next connection. Pure. */

export interface Load {
  ready: boolean;
  blocked: boolean;
  retiring: boolean;
  /** It is frozen: it takes a moment to wake it. */
  frozen: boolean;
  connections: number;
  served: number;
}

/** `null` is unlimited. */
export interface LoadLimits {
  connections: number | null;
  maxServed: number | null;
}

/** Whether this worker, ready as it may be, has as many as it may have. */
export function isFull(worker: Load, { connections, maxServed }: LoadLimits): boolean {
  if (connections !== null && worker.connections >= connections) return true;
  return maxServed !== null && worker.served >= maxServed;
}

/**
 * The ready worker with the fewest connections, the first of several; one that is frozen only if all others are full.
 * `null` if none has room.
 */
export function choose<Worker extends Load>(workers: readonly Worker[], limits: LoadLimits): Worker | null {
  let best: Worker | null = null;
  for (const worker of workers) {
    if (!worker.ready || worker.blocked || worker.retiring || isFull(worker, limits)) continue;
    if (best === null || isBetter(worker, best)) best = worker;
  }
  return best;
}

function isBetter(worker: Load, best: Load): boolean {
  if (worker.frozen !== best.frozen) return best.frozen;
  return worker.connections < best.connections;
}

/** How many more connections all of them together may be given now; infinite if a worker may have any number. */
export function roomOf(workers: readonly Load[], { connections, maxServed }: LoadLimits): number {
  let room = 0;
  for (const worker of workers) {
    if (!worker.ready || worker.blocked || worker.retiring) continue;
    const free = (connections ?? Number.POSITIVE_INFINITY) - worker.connections;
    const left = (maxServed ?? Number.POSITIVE_INFINITY) - worker.served;
    room += Math.max(0, Math.min(free, left));
  }
  return room;
}
