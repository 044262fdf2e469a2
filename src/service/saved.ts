/** A service at one moment, as plain data: for another process that goes on with it (an upgrade). */
import type { ServiceConfig } from "../config/config.ts";
import { type SavedService, saveService } from "../config/saved.ts";
import type { SavedConnections } from "./connections.ts";
import type { SavedCounters } from "./counters.ts";
import type { SavedGeneration } from "./generation.ts";
import type { SavedLauncher } from "./launcher.ts";
import type { SavedSlot } from "./listeners.ts";
import type { ServiceState } from "./state.ts";

export interface SavedServiceState {
  state: ServiceState;
  draining: boolean;
  /** Times in a row that the machine lacked something. */
  unfit: number;
  counters: SavedCounters;
  connections: SavedConnections;
  listeners: SavedSlot[];
  launcher: SavedLauncher;
  /** The present one first; `null`: by the configuration that the daemon has of it. */
  generations: { config: SavedService | null; saved: SavedGeneration }[];
}

/** How a configuration differs from the one that the daemon has; `null` if it does not, and need not be told. */
export function differenceOf(config: ServiceConfig, inForce: ServiceConfig | undefined): SavedService | null {
  if (config === inForce) return null;
  const saved = saveService(config);
  const isSame = inForce !== undefined && JSON.stringify(saved) === JSON.stringify(saveService(inForce));
  return isSame ? null : saved;
}
