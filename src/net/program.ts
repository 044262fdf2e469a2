/** Gives a socket a filter program (`filter.ts`), where we may. */
import { type Fd, isSystemError, type Sys } from "../native/sys.ts";
import type { Program } from "./filter.ts";

/** Replaces the one that it has. Some kernels ask for CAP_NET_ADMIN. @returns whether we may */
export function setProgram(sys: Pick<Sys, "attachFilter">, fd: Fd, program: Program): boolean {
  try {
    sys.attachFilter(fd, program);
    return true;
  } catch (error) {
    if (!isSystemError(error) || error.code !== "EPERM") throw error;
    return false;
  }
}
