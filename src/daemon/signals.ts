/**
 * What each signal means to the daemon. Every one that would end the process by default is handled, so that none ends
 * it by accident.
 */
import type { Logger } from "../log/logger.ts";
import type { Daemon } from "./daemon.ts";

export interface SignalWorld {
  daemon: Daemon;
  logger: Logger;
}

export function handleSignals({ daemon, logger }: SignalWorld): void {
  let interrupted = false;
  const stop = (signal: string) => {
    void daemon.stop(signal).catch(logger.bug);
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => {
    // The second Ctrl-C of somebody who does not want to wait.
    if (interrupted) daemon.kill();
    interrupted = true;
    stop("SIGINT");
  });
  process.on("SIGUSR1", () => logger.reopen());
  process.on("SIGHUP", () => void daemon.reload({ dryRun: false }).catch(logger.bug));
  process.on("SIGUSR2", () => void daemon.upgrade().catch(logger.bug));
  process.on("SIGQUIT", () => void daemon.drain("SIGQUIT").catch(logger.bug));
  // A bug that one connection meets must not take the others with it: it is reported, and the daemon goes on.
  process.on("uncaughtException", (error) => logger.bug(error));
}
