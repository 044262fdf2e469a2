/** Makes one Unix listener: by path, with a node in the file system, or by a name in the abstract namespace. */
import type { Fd, SocketAddress, Sys } from "../native/sys.ts";
import { ok, type Result } from "../util/result.ts";
import { formatSocketAddress } from "./address.ts";
import { nodeAttributes } from "./attributes.ts";
import { type OpenFailure, optionFailed } from "./failure.ts";
import { shapeOf, takesConnections, type UnixKind } from "./kind.ts";
import { type BoundListener, effectiveBacklog } from "./listener.ts";
import { bindNode, type UnixNode } from "./node.ts";
import { applyOptions, type ListenerOptions, recordOptions } from "./options.ts";
import { withSocket } from "./socket.ts";

/** Binds `path`, absolute or `@name`; nothing is left open when it fails. Does not wait. */
export function bindUnix(
  sys: Sys,
  kind: UnixKind,
  path: string,
  options: ListenerOptions,
): Result<BoundListener, OpenFailure> {
  const address: SocketAddress = { family: "unix", path };
  return withUnixSocket(sys, kind, address, options, (fd) => {
    const bound = path.startsWith("@")
      ? bindAbstract(sys, fd, kind, address, options)
      : bindPath(sys, fd, kind, path, options);
    if (!bound.ok) return bound;
    const shape = shapeOf(kind, address, false);
    return ok({
      fd,
      kind,
      address,
      canonical: formatSocketAddress(kind, address),
      name: options.name,
      backlog: effectiveBacklog(kind, options.backlog),
      node: bound.value,
      twin: null,
      settings: { shape, recorded: recordOptions(sys, fd, shape), groups: [] },
    });
  });
}

/** A new socket with its options, for `bind` to bind and keep; it is closed if that fails. */
export function withUnixSocket<T>(
  sys: Sys,
  kind: UnixKind,
  address: SocketAddress,
  options: ListenerOptions,
  bind: (fd: Fd) => Result<T, OpenFailure>,
): Result<T, OpenFailure> {
  return withSocket(sys, kind, address, (fd) => {
    const applied = applyOptions(sys, fd, shapeOf(kind, address, false), options, "unbound");
    return applied.ok ? bind(fd) : optionFailed(applied.error);
  });
}

function bindPath(
  sys: Sys,
  fd: Fd,
  kind: UnixKind,
  path: string,
  options: ListenerOptions,
): Result<UnixNode, OpenFailure> {
  const attributes = nodeAttributes(sys, options);
  return attributes.ok ? bindNode(sys, fd, kind, path, options.backlog, attributes.value) : attributes;
}

/** The name goes with the last descriptor: there is no node, and nobody who may not connect. */
function bindAbstract(
  sys: Sys,
  fd: Fd,
  kind: UnixKind,
  address: SocketAddress,
  { backlog }: ListenerOptions,
): Result<null, OpenFailure> {
  sys.bind(fd, address);
  if (takesConnections(kind)) sys.listen(fd, backlog);
  return ok(null);
}
