/**
 * Two sockets behind one path, so that workers that accept by themselves can be kept from getting anybody new while
 * nobody is refused: the path leads to the socket that they have, and in one step to the other, in whose queue clients
 * then wait for the next worker. The two take turns for ever.
 *
 * Both were bound to that very path, one after the other, and a rename(2) does not change a socket's name: getsockname(2),
 * by which daemons find their own among the sockets they are given, shows the declared path on either. connect(2) goes
 * by the node, and so does the count of a socket's connections. The node that the path does not lead to stands beside it
 * under a name of its own; renameat2(2) exchanges them.
 */
import { lstatSync, renameSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Fd, isSystemError, type SocketAddress, type Sys } from "../native/sys.ts";
import { ok, type Result } from "../util/result.ts";
import { nodeAttributes } from "./attributes.ts";
import { failed, type OpenFailure } from "./failure.ts";
import { takesConnections, type UnixKind } from "./kind.ts";
import { type BoundListener, closeListener, leadsToTwin } from "./listener.ts";
import {
  bindClosed,
  clearPath,
  isStill,
  type NodeAttributes,
  openNode,
  removeNode,
  type UnixNode,
  underLock,
} from "./node.ts";
import type { ListenerOptions } from "./options.ts";
import { bindUnix, withUnixSocket } from "./unix.ts";

/** Binds both sockets to `path`, which is absolute. Has one alone where the file system cannot exchange two nodes. */
export function bindPair(
  sys: Sys,
  kind: UnixKind,
  path: string,
  options: ListenerOptions,
): Result<BoundListener, OpenFailure> {
  const bound = bindUnix(sys, kind, path, options);
  if (!bound.ok) return bound;
  const added = addTwin(sys, bound.value, options);
  if (added.ok) return bound;
  closeListener(sys, bound.value);
  return added;
}

/**
 * Gives a listener that has none its twin. While it is made the path leads to nobody, for three system calls: whoever
 * connects just then is refused.
 */
export function addTwin(
  sys: Sys,
  listener: BoundListener,
  options: ListenerOptions,
): Result<null, OpenFailure> {
  const { kind, address, node } = listener;
  if (node === null || kind === "fifo" || kind === "tcp" || kind === "udp") return ok(null);
  const attributes = nodeAttributes(sys, options);
  if (!attributes.ok) return attributes;
  const { directoryMode } = attributes.value;
  return withUnixSocket(sys, kind, address, options, (fd) => {
    const bound = underLock(sys, node.path, directoryMode, () =>
      bindTwin(sys, fd, kind, node, options.backlog, attributes.value),
    );
    if (!bound.ok) return bound;
    if (bound.value === null) sys.close(fd);
    else listener.twin = { fd, node: bound.value };
    return ok(null);
  });
}

/** Whether it could have a twin and has none: its file system cannot exchange two nodes, or a new one could not be made. */
export function lacksTwin({ kind, node, twin }: Pick<BoundListener, "kind" | "node" | "twin">): boolean {
  return takesConnections(kind) && node !== null && twin === null;
}

/** Where the node stands that the path does not lead to. May be longer than bind(2) takes. */
export function twinPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.tinetd-twin`);
}

/**
 * Has the path lead to the twin, or back. Needs no lock (`node-lock.ts`): nobody replaces a node that is served.
 * @returns whether it led to the other before. It stays as it is where it leads to neither: somebody replaced our node.
 */
export function turnPath(sys: Pick<Sys, "exchangePaths">, listener: BoundListener, toTwin: boolean): boolean {
  const { node, twin } = listener;
  if (node === null || twin === null || leadsToTwin(listener) === toTwin) return false;
  if (!isStill(node) || !isStill(twin.node)) return false;
  try {
    sys.exchangePaths(node.path, twin.node.path);
  } catch (error) {
    // A directory that has gone, or is not ours to write any more.
    if (!isSystemError(error)) throw error;
    return false;
  }
  [node.path, twin.node.path] = [twin.node.path, node.path];
  return true;
}

/** The twin becomes the socket that workers get, and the other way round. */
export function swapTwins(listener: BoundListener): void {
  const { fd, node, twin } = listener;
  if (twin === null || node === null) return;
  listener.fd = twin.fd;
  listener.node = twin.node;
  listener.twin = { fd, node };
}

/** Closes the socket that workers get; the twin takes its place, and the path leads to it. */
export function dropForTwin(sys: Sys, listener: BoundListener): void {
  swapTwins(listener);
  turnPath(sys, listener, false);
  const { twin } = listener;
  if (twin === null) return;
  listener.twin = null;
  removeNode(sys, twin.node);
  sys.close(twin.fd);
}

/** The twin as a listener by itself, to ask the kernel about. */
export function twinOf(listener: BoundListener): BoundListener | null {
  const { twin } = listener;
  return twin === null ? null : { ...listener, ...twin, twin: null };
}

/** @returns the new node, or `null` where the file system cannot exchange two */
function bindTwin(
  sys: Sys,
  fd: Fd,
  kind: UnixKind,
  node: UnixNode,
  backlog: number,
  attributes: NodeAttributes,
): Result<UnixNode | null, OpenFailure> {
  const { path } = node;
  const aside = twinPath(path);
  const obstacle = clearPath(sys, kind, aside);
  if (obstacle !== null) return obstacle;
  if (!isStill(node)) return failed("ESTALE", `somebody else replaced ${path}`);
  renameSync(path, aside);
  try {
    bindClosed(sys, fd, path);
    sys.exchangePaths(path, aside);
  } catch (error) {
    putBack(aside, path, sys.getsockname(fd));
    if (isSystemError(error) && (error.code === "EINVAL" || error.code === "ENOSYS")) return ok(null);
    throw error;
  }
  return openNode(sys, fd, kind, aside, backlog, attributes);
}

/** Undoes the rename. Where somebody else has made something at the path meanwhile, that stays. */
function putBack(aside: string, path: string, bound: SocketAddress): void {
  const isOurs = bound.family === "unix" && bound.path === path;
  if (isOurs || lstatSync(path, { throwIfNoEntry: false }) === undefined) renameSync(aside, path);
  else unlinkSync(aside);
}
