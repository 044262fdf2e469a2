/**
 * The lock under which a node of the file system is probed, replaced, made or removed. Without it two daemons that
 * start at once could both find a stale node, and the slower one would remove the node that the other has just made.
 *
 * It is a file beside the node, so that whoever may make the node may take the lock and nobody else, and so that it
 * works between containers that share nothing but the directory. It exists only while it is held. A file that is
 * removed by its holder needs care: who was waiting with the old file open would lock a file that is no longer there.
 * So a lock counts only if the path still leads to the very file that was locked. What a killed daemon leaves behind is
 * not locked: the next one takes it and removes it.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Sys } from "../native/sys.ts";

/** Each try fails only if another daemon has come and gone in between. */
const tries = 16;

/**
 * Runs `action` under the lock of `path`. It must not wait for anything: others wait for the lock.
 * @returns what `action` returned, or `null` if another process has the lock at this moment
 * @throws the system error of a directory that is absent or not ours to write
 */
export function withNodeLock<T>(
  sys: Pick<Sys, "lockFile">,
  path: string,
  action: () => T,
): { value: T } | null {
  const file = join(dirname(path), `.${basename(path)}.tinetd`);
  for (let attempt = 0; attempt < tries; attempt++) {
    const fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      if (sys.lockFile(fd) !== null) return null;
      if (!isStill(file, fd)) continue;
      try {
        return { value: action() };
      } finally {
        unlinkSync(file);
      }
    } finally {
      closeSync(fd);
    }
  }
  return null;
}

function isStill(file: string, fd: number): boolean {
  const opened = fstatSync(fd, { bigint: true });
  const present = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  return present !== undefined && present.dev === opened.dev && present.ino === opened.ino;
}
