/**
 * Whether a connection may have a handler: the rules in the order of the contract, the first that objects decides.
 * Pure. Access rules and rates join in front of the limits.
 */
import type { RefusalReason } from "../log/events.ts";

/** How much is in use, and how much there may be. */
export interface Load {
  instances: number;
  maxInstances: number;
  total: number;
  maxTotal: number;
  /** Starts fail at the moment. */
  failing: boolean;
}

/** `null`: come in. */
export function admit(load: Load): RefusalReason | null {
  if (load.instances >= load.maxInstances) return "limit";
  if (load.total >= load.maxTotal) return "total";
  if (load.failing) return "error";
  return null;
}

/**
 * The limit that is reached now, so that nothing more should be accepted while clients queue; asked after each start,
 * because an accepted connection cannot be put back.
 */
export function reachedLimit(load: Load): "limit" | "total" | null {
  if (load.instances >= load.maxInstances) return "limit";
  return load.total >= load.maxTotal ? "total" : null;
}
