/** Missing parent directories of a node. */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { isSystemError } from "../native/sys.ts";
import { ok, type Result } from "../util/result.ts";
import { failed, type OpenFailure } from "./failure.ts";
import { holdFile } from "./held.ts";

/**
 * Makes the directories above `path` that do not exist, each with exactly `mode` whatever the umask; those that exist
 * stay as they are.
 */
export function makeParents(path: string, mode: number): Result<void, OpenFailure> {
  const missing: string[] = [];
  let folder = dirname(path);
  try {
    for (; !exists(folder); folder = dirname(folder)) missing.unshift(folder);
    for (folder of missing) makeDirectory(folder, mode);
    return ok(undefined);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return failed(error.code, `directory ${folder}: ${error.code}`);
  }
}

function exists(folder: string): boolean {
  return statSync(folder, { throwIfNoEntry: false }) !== undefined;
}

function makeDirectory(folder: string, mode: number): void {
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    // Somebody else has just made it: then it is his to say who may enter.
    if (isSystemError(error) && error.code === "EEXIST" && exists(folder)) return;
    throw error;
  }
  // What the umask took. Never more than `mode`, so there was no moment in which too much was allowed.
  holdFile(folder, (directory) => {
    if (directory.stats.isDirectory()) directory.chmod(mode);
  });
}
