/**
 * `--pid-file`: written whole before it has its name, locked for as long as we run, removed at the end. The lock, not
 * the number in it, says whether a daemon runs: a file that a killed one has left is simply replaced.
 */
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { Carry } from "../native/carry.ts";
import type { Fd, Sys } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";

export interface PidFile {
  /** Removes the file if it is still ours, and gives up the lock. */
  remove(): void;
  /** For another process of the same pid (an upgrade): the lock goes along with the descriptor. */
  save(carry: Carry): SavedPidFile;
}

export interface SavedPidFile {
  path: string;
  fd: Fd;
}

type LockSys = Pick<Sys, "lockFile" | "close">;

/** Each try fails only if another daemon has come or gone in between. */
const tries = 16;

/** @returns the file, or a sentence that names who has it */
export function writePidFile(sys: LockSys, path: string, pid: number): Result<PidFile, string> {
  try {
    for (let attempt = 0; attempt < tries; attempt++) {
      const holder = clearStale(sys, path);
      if (holder !== null) return err(`${path} belongs to a daemon that runs (pid ${holder})`);
      const fd = publish(sys, path, pid);
      if (fd !== null) return ok(held(sys, path, fd));
    }
    return err(`${path}: other daemons start and stop at this moment`);
  } catch (error) {
    return err(`cannot write ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** The file that another process of our pid has written and locked. */
export function resumePidFile(sys: LockSys, { path, fd }: SavedPidFile, claim: Carry): PidFile {
  return held(sys, path, claim(fd));
}

function held(sys: LockSys, path: string, fd: Fd): PidFile {
  return { remove: () => remove(sys, path, fd), save: (carry) => ({ path, fd: carry(fd) }) };
}

/** Removes a file that nobody has locked; otherwise the pid in it. */
function clearStale(sys: LockSys, path: string): string | null {
  let fd: Fd;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    if (sys.lockFile(fd) !== null) return readFileSync(path, "latin1").trim() || "unknown";
    if (isAt(path, fd)) unlinkSync(path);
    return null;
  } finally {
    closeSync(fd);
  }
}

/** A new file gets its content and its lock first, and its name last; `null` if somebody else took the name. */
function publish(sys: LockSys, path: string, pid: number): Fd | null {
  const draft = `${path}.${pid}`;
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = openSync(draft, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
  try {
    writeSync(fd, `${pid}\n`);
    sys.lockFile(fd);
    linkSync(draft, path);
    return fd;
  } catch (error) {
    closeSync(fd);
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return null;
    throw error;
  } finally {
    unlinkSync(draft);
  }
}

function remove(sys: LockSys, path: string, fd: Fd): void {
  try {
    if (isAt(path, fd)) unlinkSync(path);
  } catch {
    // Somebody has taken its folder away; what is gone need not be removed.
  }
  sys.close(fd);
}

function isAt(path: string, fd: Fd): boolean {
  const ours = fstatSync(fd, { bigint: true });
  const there = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return there !== undefined && there.dev === ours.dev && there.ino === ours.ino;
}
