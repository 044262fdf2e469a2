/**
 * `runtime_directory`: made before the start and given to the handler's user, as a package's tmpfiles.d or systemd's
 * RuntimeDirectory= would; kept while the service exists, then removed if it is ours and empty.
 */
import { chownSync, lstatSync, mkdirSync, rmdirSync } from "node:fs";
import { makeParents } from "../net/directory.ts";

const mode = 0o755;

/**
 * Makes what is absent. A directory that is there is left as it is: somebody may have given it another mode on purpose.
 * @returns the directories that were made, or a sentence about the first that cannot be
 */
export function ensureRuntimeDirectories(
  paths: readonly string[],
  owner: { uid: number; gid: number } | null,
): { made: string[]; problem: string | null } {
  const made: string[] = [];
  for (const path of paths) {
    try {
      if (exists(path)) continue;
      const parents = makeParents(path, mode);
      if (!parents.ok) return { made, problem: parents.error.reason };
      mkdirSync(path, { mode });
      made.push(path);
      if (owner !== null) chownSync(path, owner.uid, owner.gid);
    } catch (error) {
      return { made, problem: `${path}: ${(error as NodeJS.ErrnoException).code}` };
    }
  }
  return { made, problem: null };
}

/** A link in its place is refused: it could lead the chown anywhere. */
function exists(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  if (!stats.isDirectory()) throw Object.assign(new Error(path), { code: "ENOTDIR" });
  return true;
}

/** Removes those that we made, unless somebody has left something in them. */
export function removeRuntimeDirectories(made: readonly string[]): void {
  for (const path of made) {
    try {
      rmdirSync(path);
    } catch {
      // Not empty or already gone: not ours to force.
    }
  }
}
