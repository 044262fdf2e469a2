/** Signals to processes that we know by number only: through a pidfd, so that none ever reaches a stranger. */
import { constants } from "node:os";
import type { Fd, Sys } from "../native/sys.ts";
import { isSystemError } from "../native/sys.ts";

const { SIGCONT } = constants.signals;

/** Those of a stop: the one declared, and one for a process that was stopped and would never see it (job control). */
export function stopSignals(signal: number): number[] {
  return [signal, SIGCONT];
}

/**
 * Runs what sends a signal. A process whose identity has changed (a program with the set-user-ID bit) may be out of
 * our reach unless we are root; then this is `"denied"`. `"gone"`: it has ended.
 */
export function send(signal: () => boolean): "sent" | "gone" | "denied" {
  try {
    return signal() ? "sent" : "gone";
  } catch (error) {
    if (isSystemError(error) && error.code === "EPERM") return "denied";
    throw error;
  }
}

/** A pidfd, or `null` if no process has that number. */
export function openProcess(sys: Pick<Sys, "pidfdOpen">, pid: number): Fd | null {
  try {
    return sys.pidfdOpen(pid);
  } catch (error) {
    if (isSystemError(error) && error.code === "ESRCH") return null;
    throw error;
  }
}

/**
 * Signals the process of that number if `isMeant` still says so once it is held: had the number been given to another
 * before, that one would be looked at; if it is given away afterwards, the signal reaches nobody.
 */
export function signalByPid(
  sys: Pick<Sys, "pidfdOpen" | "signalProcess" | "close">,
  pid: number,
  signals: readonly number[],
  isMeant: () => boolean,
): "sent" | "gone" | "denied" {
  const pidfd = openProcess(sys, pid);
  if (pidfd === null) return "gone";
  try {
    if (!isMeant()) return "gone";
    const results = signals.map((signal) => send(() => sys.signalProcess(pidfd, signal)));
    return results.find((result) => result !== "sent") ?? "sent";
  } finally {
    sys.close(pidfd);
  }
}
