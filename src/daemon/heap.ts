/** How V8 is to keep the daemon's heap: small and then at rest, since the daemon mostly waits. */
import { setFlagsFromString } from "node:v8";

/**
 * Lets V8 give back what the start, or a rush, has left, at the first chance: eight seconds after the last work it looks
 * whether little is allocated, and cleans up. Left to itself it measures that in units of how fast the last collections
 * were, so that on a busy machine it comes back every eight seconds for two minutes, while the daemon keeps a dozen
 * megabytes that it does not need. The flag is read at every decision, and may therefore be set in a running process.
 */
export function keepHeapSmall(): void {
  setFlagsFromString("--optimize-for-size");
}
