/** What must be done although no descriptor is left for it: /proc and cgroups are files, and a pidfd is one too. */
import { isSystemError } from "../native/sys.ts";
import { isShortage } from "../net/accept.ts";
import type { Clock } from "../util/clock.ts";

/** Others end meanwhile, and free what they had. */
const retryMs = 100;

/** Runs `action`; for want of descriptors or memory it is run once more a while later, and so on until it is done. */
export function insist(clock: Clock, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!isSystemError(error) || !isShortage(error.code)) throw error;
    clock.after(retryMs, () => insist(clock, action));
  }
}
