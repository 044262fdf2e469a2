/**
 * `run --daemon`: starts the daemon in a session of its own and returns when it is ready, or with its exit code when it
 * does not get there. Until then its errors reach whoever waits.
 */
import { spawn } from "node:child_process";
import type { Fd, Sys } from "../native/sys.ts";
import { type CliContext, exitCode } from "./command.ts";

/** The descriptor on which the daemon tells us that it is ready. */
const readyFd = 3;
const marker = "TINETD_DETACHED";

/**
 * A daemon never holds the terminal, which would not come to its end: what it says until it is ready is passed on from
 * a pipe. A file or a pipe that stderr leads to is the daemon's for good.
 */
export function runDetached(context: CliContext): Promise<number> {
  const { file, argv } = context.program;
  const args = [file, ...argv.filter((word) => word !== "--daemon"), "--ready-fd", `${readyFd}`];
  const relayed = context.stderrIsTerminal;
  const daemon = spawn(process.execPath, args, {
    detached: true,
    stdio: ["ignore", "ignore", relayed ? "pipe" : "inherit", "pipe"],
    env: { ...context.environment, [marker]: relayed ? "relayed" : "kept" },
  });
  daemon.stderr?.on("data", (chunk) => context.stderr.write(chunk));
  return new Promise((resolve) => {
    daemon.on("error", () => resolve(exitCode.failed));
    // After the last word, and not at the exit.
    daemon.on("close", (code) => resolve(code ?? exitCode.failed));
    daemon.stdio[readyFd]?.once("data", () => {
      // What it said before is there with the readiness, and read in the same turn of the event loop.
      setImmediate(() => {
        daemon.stderr?.destroy();
        daemon.unref();
        resolve(exitCode.done);
      });
    });
  });
}

/** Whether somebody passes on what this daemon says, until it is ready. */
export function isRelayed({ environment }: CliContext): boolean {
  return environment[marker] === "relayed";
}

/** Nobody listens any more from here on. */
export function leaveTerminal(sys: Sys, nothing: Fd): void {
  sys.close(2);
  sys.dup(nothing, 2);
}
