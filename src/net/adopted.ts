/** Makes a listener of a socket that this daemon was given. */
import { isSystemError, type Sys } from "../native/sys.ts";
import { ok, type Result } from "../util/result.ts";
import { formatSocketAddress } from "./address.ts";
import type { InheritedSocket } from "./adopt.ts";
import { type OpenFailure, optionFailed, systemFailed } from "./failure.ts";
import { passAll } from "./filter.ts";
import { shapeOf, takesConnections } from "./kind.ts";
import { type BoundListener, effectiveBacklog } from "./listener.ts";
import { joinGroups } from "./multicast.ts";
import { applyOptions, type ListenerOptions, recordOptions } from "./options.ts";
import { setProgram } from "./program.ts";

/**
 * Options that must stand before bind(2), and the mode and owner of a node, are those of whoever bound it; all others
 * become what is declared. The node is his as well: it is not removed. Keeps the socket if it succeeds.
 */
export function adoptSocket(
  sys: Sys,
  { fd, kind, address, v6only }: InheritedSocket,
  options: ListenerOptions,
): Result<BoundListener, OpenFailure> {
  const canonical = formatSocketAddress(kind, address);
  const common = {
    fd,
    kind,
    address,
    canonical,
    name: options.name,
    node: null,
    twin: null,
  };
  try {
    sys.setBlocking(fd, false);
    if (kind === "fifo") return ok({ ...common, backlog: 0, settings: null });
    const shape = shapeOf(kind, address, v6only);
    const groups = options.multicast ?? [];
    const applied = applyOptions(sys, fd, shape, options, "bound");
    if (!applied.ok) return optionFailed(applied.error);
    const joined = joinGroups(sys, fd, shape, groups);
    if (!joined.ok) return optionFailed(joined.error);
    // Who had it before us may have died while nobody was to come in (handoff/departure.ts), and nobody ever would.
    if (kind === "tcp") setProgram(sys, fd, passAll());
    // Of a socket that listens already it changes the queue's length alone.
    if (takesConnections(kind)) sys.listen(fd, options.backlog);
    const backlog = effectiveBacklog(kind, options.backlog);
    return ok({ ...common, backlog, settings: { shape, recorded: recordOptions(sys, fd, shape), groups } });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return systemFailed(error, address);
  }
}
