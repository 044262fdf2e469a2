/**
 * A listener whose declaration has changed while it is open: what can be set on the open socket is, so that nobody in
 * its queue is lost.
 */
import { type Fd, isSystemError, type Sys } from "../native/sys.ts";
import { nodeAttributes } from "./attributes.ts";
import { holdFile } from "./held.ts";
import { takesConnections } from "./kind.ts";
import type { BoundListener, ListenerSettings } from "./listener.ts";
import { isStill } from "./node.ts";
import { optionTable } from "./option-table.ts";
import { applyOptions, type ListenerOptions, recordOptions, repairOptions } from "./options.ts";
import { twinOf } from "./twin.ts";

/** @returns `false`: only a socket that is bound anew can be as declared */
export function adjustListener(
  sys: Sys,
  listener: BoundListener,
  before: ListenerOptions,
  after: ListenerOptions,
): boolean {
  const { settings } = listener;
  if (settings === null || !isAdjustable(before, after)) return false;
  try {
    if (!adjustNode(sys, listener, after) || !adjustSocket(sys, listener.fd, settings, after)) return false;
    if (takesConnections(listener.kind)) sys.listen(listener.fd, after.backlog);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return false;
  }
  settings.recorded = recordOptions(sys, listener.fd, settings.shape);
  listener.name = after.name;
  const twin = twinOf(listener);
  return twin === null || adjustListener(sys, twin, before, after);
}

/** Groups that were joined, and directories that were made, stay as they are; some options count at bind(2) alone. */
function isAdjustable(before: ListenerOptions, after: ListenerOptions): boolean {
  const same = (one: unknown, other: unknown) =>
    JSON.stringify(one ?? null) === JSON.stringify(other ?? null);
  return (
    same(before.multicast, after.multicast) &&
    optionTable.every((row) => row.when !== "bind" || same(row.value(before), row.value(after)))
  );
}

/** What is not declared any more goes back to what a new socket has. */
function adjustSocket(sys: Sys, fd: Fd, { shape }: ListenerSettings, options: ListenerOptions): boolean {
  const fresh = sys.socket(shape.domain, shape.type);
  const defaults = recordOptions(sys, fresh, shape);
  sys.close(fresh);
  for (const { when, option } of optionTable) if (when === "bind") delete defaults[option];
  repairOptions(sys, fd, shape, defaults);
  return applyOptions(sys, fd, shape, options, "bound").ok;
}

function adjustNode(sys: Sys, { node, address }: BoundListener, options: ListenerOptions): boolean {
  if (address.family !== "unix" || node === null) return true;
  const attributes = nodeAttributes(sys, options);
  if (!attributes.ok || !isStill(node)) return false;
  const { mode, uid, gid } = attributes.value;
  holdFile(node.path, (file) => {
    // Closed while it changes hands: nobody may ever do more than one of the two declarations says.
    file.chmod(0);
    file.chown(uid, gid);
    file.chmod(mode);
  });
  return true;
}
