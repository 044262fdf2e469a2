/** Makes one TCP or UDP listener. */
import type { Fd, Sys } from "../native/sys.ts";
import { ok, type Result } from "../util/result.ts";
import { formatSocketAddress } from "./address.ts";
import { constant } from "./constants.ts";
import { type OpenFailure, optionFailed } from "./failure.ts";
import { type InetKind, shapeOf, takesConnections } from "./kind.ts";
import { type BoundListener, effectiveBacklog } from "./listener.ts";
import { joinGroups } from "./multicast.ts";
import { applyOptions, type ListenerOptions, recordOptions } from "./options.ts";
import type { Resolved } from "./resolve.ts";
import { withSocket } from "./socket.ts";

/** Binds one address; nothing is left open when it fails. Does not wait. */
export function bindInet(
  sys: Sys,
  kind: InetKind,
  { address, v6only }: Resolved,
  declared: ListenerOptions,
): Result<BoundListener, OpenFailure> {
  const options = { ...declared, v6only };
  return withSocket(sys, kind, address, (fd) => bindSocket(sys, fd, kind, address, options));
}

/** Keeps the socket if it succeeds. */
function bindSocket(
  sys: Sys,
  fd: Fd,
  kind: InetKind,
  wanted: Resolved["address"],
  options: ListenerOptions & { v6only: boolean },
): Result<BoundListener, OpenFailure> {
  const shape = shapeOf(kind, wanted, options.v6only);
  const groups = options.multicast ?? [];
  // TCP: a restart must not wait for connections in TIME_WAIT. UDP: it would let another process take the datagrams,
  // unless all want the same group, which is what groups are for.
  if (kind === "tcp" || groups.length > 0) {
    sys.setsockopt(fd, constant(sys, "SOL_SOCKET"), constant(sys, "SO_REUSEADDR"), 1);
  }
  const applied = applyOptions(sys, fd, shape, options, "unbound");
  if (!applied.ok) return optionFailed(applied.error);
  sys.bind(fd, wanted);
  const joined = joinGroups(sys, fd, shape, groups);
  if (!joined.ok) return optionFailed(joined.error);
  if (takesConnections(kind)) sys.listen(fd, options.backlog);
  const address = sys.getsockname(fd);
  return ok({
    fd,
    kind,
    address,
    canonical: formatSocketAddress(kind, address),
    name: options.name,
    backlog: effectiveBacklog(kind, options.backlog),
    node: null,
    twin: null,
    settings: { shape, recorded: recordOptions(sys, fd, shape), groups },
  });
}
