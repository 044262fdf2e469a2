/**
 * The priority of handlers that declare none: the usual one, whatever the daemon's own is. A daemon that the kernel is
 * to spare when memory is short, or one that was started with little of the processor, says nothing about its handlers.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/** `null`: as the daemon's, which is the usual one already, or which we may not improve. */
export interface UsualPriority {
  nice: number | null;
  oomScoreAdjust: number | null;
}

const usual = 0;
const oomFile = "/proc/self/oom_score_adj";

/** Finds out by trying, for a moment on this process: which capability decides depends on the namespace. */
export function usualPriority(): UsualPriority {
  return {
    nice: tryUsual(getPriority, setPriority),
    oomScoreAdjust: tryUsual(
      () => Number(readFileSync(oomFile, "ascii")),
      (value) => writeFileSync(oomFile, String(value)),
    ),
  };
}

function tryUsual(get: () => number, set: (value: number) => void): number | null {
  try {
    const own = get();
    if (own === usual) return null;
    set(usual);
    set(own);
    return usual;
  } catch {
    // Refused, or not to be seen in a sandbox: then it stays as it is.
    return null;
  }
}
