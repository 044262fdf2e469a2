/**
 * Nodes of Unix sockets in the file system: made so that nobody can ever do more with one than was declared, replaced
 * only when nobody serves them, removed only while they are ours.
 *
 * Born closed: the mode of the *socket* becomes that of its node at birth (less the umask, which can take nothing from
 * 0), so fchmod(fd, 0) before bind(2) makes a node that admits nobody; it gets its owner, and only then its mode. By
 * then it listens: whoever may connect is never refused because we were not ready yet.
 *
 * A stale node, which a killed daemon left, is unlinked and bound anew under its own path, rather than bound beside it
 * and renamed over it. The kernel remembers the path of bind(2) as the socket's name for ever: after a rename,
 * getsockname(2), by which many daemons find their own among the sockets they are given, would show the temporary one.
 * Nobody is lost between unlink and bind: until then a connect was refused, since nobody served that node.
 */
import { type BigIntStats, fchmodSync, lstatSync, type StatsBase, unlinkSync } from "node:fs";
import { type Fd, isSystemError, type Sys } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { makeParents } from "./directory.ts";
import { failed, inUse, type OpenFailure } from "./failure.ts";
import { type HeldFile, holdFile } from "./held.ts";
import { socketTypes, takesConnections, type UnixKind } from "./kind.ts";
import { withNodeLock } from "./node-lock.ts";

/** A node that we made: what is needed to know it again. Plain data, so that it survives an upgrade. */
export interface UnixNode {
  path: string;
  /** Decimal: inode numbers may exceed what a number holds. */
  device: string;
  inode: string;
}

/** What a node shall be like. */
export interface NodeAttributes {
  mode: number;
  /** `null` leaves what the kernel gave it: the daemon's own. */
  uid: number | null;
  gid: number | null;
  /** Of missing parent directories. */
  directoryMode: number;
}

/** The longest path that bind(2) takes, in bytes: sun_path less its final zero (unix(7)). */
export const maximumPathBytes = 107;

export type NodeSys = Pick<
  Sys,
  "socket" | "connect" | "close" | "bind" | "listen" | "peerCredentials" | "lockFile"
>;

/**
 * Binds a socket to a path, and lets it listen if its kind takes connections. Borrows the socket; leaves nothing behind
 * when it fails but the directories. Does not wait.
 */
export function bindNode(
  sys: NodeSys,
  fd: Fd,
  kind: UnixKind,
  path: string,
  backlog: number,
  attributes: NodeAttributes,
): Result<UnixNode, OpenFailure> {
  const bytes = Buffer.byteLength(path);
  if (bytes > maximumPathBytes) {
    return failed("ENAMETOOLONG", `the path has ${bytes} bytes, at most ${maximumPathBytes} are possible`);
  }
  return underLock(sys, path, attributes.directoryMode, () => {
    const obstacle = clearPath(sys, kind, path);
    return obstacle ?? makeNode(sys, fd, kind, path, backlog, attributes);
  });
}

/** Runs `make`, which makes something at `path`, with its directories there and nobody else at work on that path. */
export function underLock<T>(
  sys: Pick<Sys, "lockFile">,
  path: string,
  directoryMode: number,
  make: () => Result<T, OpenFailure>,
): Result<T, OpenFailure> {
  const parents = makeParents(path, directoryMode);
  if (!parents.ok) return parents;
  try {
    const locked = withNodeLock(sys, path, make);
    if (locked !== null) return locked.value;
    return err({
      code: "EADDRINUSE",
      reason: "another daemon is at work on this path",
      pid: null,
      busy: true,
    });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return failed(error.code, `${error.syscall} ${path}: ${error.code}`);
  }
}

/**
 * Removes a node if it is still the one that we made. To be called while its socket is still open: that keeps the
 * inode's number from being given to the node of a successor.
 * @returns whether it was removed
 */
export function removeNode(sys: Pick<Sys, "lockFile">, node: UnixNode): boolean {
  try {
    const locked = withNodeLock(sys, node.path, () => {
      if (!isStill(node)) return false;
      unlinkSync(node.path);
      return true;
    });
    // Whoever has the lock is about to replace the node, and will find it stale.
    return locked?.value ?? false;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return false;
  }
}

/** Whether the path still leads to the node that we made. */
export function isStill(node: UnixNode): boolean {
  const present = lstatSync(node.path, { bigint: true, throwIfNoEntry: false });
  return present !== undefined && `${present.dev}` === node.device && `${present.ino}` === node.inode;
}

export function identify(path: string, { dev, ino }: BigIntStats): UnixNode {
  return { path, device: `${dev}`, inode: `${ino}` };
}

/** Removes a stale node from the path, which may be longer than bind(2) takes; a failure if anything else is there. */
export function clearPath(sys: NodeSys, kind: UnixKind, path: string): Result<never, OpenFailure> | null {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null;
  return holdFile(path, (file) => clearFile(sys, kind, path, file));
}

function clearFile(
  sys: NodeSys,
  kind: UnixKind,
  path: string,
  { stats: present, link }: HeldFile,
): Result<never, OpenFailure> | null {
  if (!present.isSocket())
    return failed("EEXIST", `${path} is ${describeFile(present)}, which is left alone`);
  const fd = sys.socket("unix", socketTypes[kind]);
  try {
    // `false`: its queue is full, so somebody serves it.
    const connected = sys.connect(fd, { family: "unix", path: link });
    return inUse(connected && takesConnections(kind) ? sys.peerCredentials(fd).pid : null);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    // A living socket of another type.
    if (error.code === "EPROTOTYPE") return inUse(null);
    if (error.code !== "ECONNREFUSED" && !(error.code === "EACCES" && isUnborn(present))) throw error;
    unlinkSync(path);
    return null;
  } finally {
    sys.close(fd);
  }
}

/** Left closed by a daemon of ours that was killed while it made the node: any that lives would have the lock. */
function isUnborn({ mode, uid }: BigIntStats): boolean {
  return (Number(mode) & 0o777) === 0 && Number(uid) === process.geteuid?.();
}

function makeNode(
  sys: NodeSys,
  fd: Fd,
  kind: UnixKind,
  path: string,
  backlog: number,
  attributes: NodeAttributes,
): Result<UnixNode, OpenFailure> {
  bindClosed(sys, fd, path);
  return openNode(sys, fd, kind, path, backlog, attributes);
}

/** Makes a node that admits nobody. */
export function bindClosed(sys: NodeSys, fd: Fd, path: string): void {
  fchmodSync(fd, 0);
  sys.bind(fd, { family: "unix", path });
}

/** Opens a node that was born closed a moment ago, once its socket listens; removes it if it cannot. */
export function openNode(
  sys: NodeSys,
  fd: Fd,
  kind: UnixKind,
  path: string,
  backlog: number,
  attributes: NodeAttributes,
): Result<UnixNode, OpenFailure> {
  return holdFile(path, (file) => {
    if (!isJustBorn(file)) return failed("ESTALE", `somebody else replaced ${path} while it was made`);
    const node = identify(path, file.stats);
    try {
      if (takesConnections(kind)) sys.listen(fd, backlog);
      file.chown(attributes.uid, attributes.gid);
      file.chmod(attributes.mode);
      return ok(node);
    } catch (error) {
      if (isStill(node)) unlinkSync(path);
      throw error;
    }
  });
}

function isJustBorn({ stats }: HeldFile): boolean {
  return stats.isSocket() && isUnborn(stats);
}

/** What is in the way, with its article. */
export function describeFile(file: StatsBase<unknown>): string {
  if (file.isDirectory()) return "a directory";
  if (file.isSymbolicLink()) return "a symbolic link";
  if (file.isSocket()) return "a socket";
  if (file.isFIFO()) return "a FIFO";
  return file.isFile() ? "a regular file" : "a device";
}
