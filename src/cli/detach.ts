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

export function runDetached(context: CliContext): Promise<number> {
  const { file, argv } = context.program;
  const args = [file, ...argv.filter((word) => word !== "--daemon"), "--ready-fd", `${readyFd}`];
  const daemon = spawn(process.execPath, args, {
    detached: true,
    stdio: ["ignore", "ignore", "inherit", "pipe"],
    env: { ...context.environment, [marker]: "1" },
  });
  return new Promise((resolve) => {
    daemon.on("error", () => resolve(exitCode.failed));
    daemon.on("exit", (code) => resolve(code ?? exitCode.failed));
    daemon.stdio[readyFd]?.once("data", () => {
      daemon.unref();
      resolve(exitCode.done);
    });
  });
}

export function isDetached({ environment }: CliContext): boolean {
  return environment[marker] !== undefined;
}

/** A detached daemon lets go of the terminal it was started from; a file or pipe that stderr leads to stays. */
export function leaveTerminal(context: CliContext, sys: Sys, nothing: Fd): void {
  if (!isDetached(context) || !context.stderrIsTerminal) return;
  sys.close(2);
  sys.dup(nothing, 2);
}
