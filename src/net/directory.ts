/** Missing parent directories of a node. */
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { isSystemError } from "../native/sys.ts";
import { holdFile } from "./held.ts";

/**
 * Makes the directories above `path` that do not exist, each with exactly `mode` whatever the umask; those that exist
 * stay as they are.
 * @throws the system error of mkdir(2)
 */
export function makeParents(path: string, mode: number): void {
  const missing: string[] = [];
  for (let folder = dirname(path); !existsSync(folder); folder = dirname(folder)) missing.unshift(folder);
  for (const folder of missing) makeDirectory(folder, mode);
}

function makeDirectory(folder: string, mode: number): void {
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    // Somebody else has just made it: then it is his to say who may enter.
    if (isSystemError(error) && error.code === "EEXIST") return;
    throw error;
  }
  // What the umask took. Never more than `mode`, so there was no moment in which too much was allowed.
  holdFile(folder, (directory) => {
    if (directory.stats.isDirectory()) directory.chmod(mode);
  });
}
