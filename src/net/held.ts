/**
 * Changing a file that was looked at, and no other. In a directory that others may write, a path may lead elsewhere a
 * moment later, and chmod(2) and chown(2) by path would follow a symbolic link there: so the file is held by a
 * descriptor, looked at, and changed through it.
 */
import { type BigIntStats, chmodSync, chownSync, closeSync, constants, fstatSync, openSync } from "node:fs";
import type { Fd } from "../native/sys.ts";

/** A descriptor that only stands for the file (open(2)); sockets can be opened in no other way. Node lacks the name. */
const O_PATH = 0o10000000;

/** An id that chown(2) leaves as it is: (uid_t) -1. */
const unchanged = 0xffffffff;

export interface HeldFile {
  readonly stats: BigIntStats;
  /** A short path that leads to the very file. Works where fchmod(2) and connect(2) know no descriptor. */
  readonly link: string;
  /** `null` leaves the id as it is. */
  chown(uid: number | null, gid: number | null): void;
  chmod(mode: number): void;
  /** Opens it, with flags as of open(2); the caller owns the descriptor. */
  open(flags: number): Fd;
}

/**
 * Runs `action` on what is at `path` itself, be it a symbolic link.
 * @throws the system error of open(2), and whatever `action` throws
 */
export function holdFile<T>(path: string, action: (file: HeldFile) => T): T {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  const link = `/proc/self/fd/${fd}`;
  try {
    return action({
      stats: fstatSync(fd, { bigint: true }),
      link,
      chown(uid, gid) {
        if (uid !== null || gid !== null) chownSync(link, uid ?? unchanged, gid ?? unchanged);
      },
      chmod: (mode) => chmodSync(link, mode),
      open: (flags) => openSync(link, flags),
    });
  } finally {
    closeSync(fd);
  }
}
