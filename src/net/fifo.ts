/**
 * Opens a FIFO for reading. Both directions are opened: with a writer of our own it never comes to its end, however
 * many other writers come and go.
 *
 * A FIFO that is there already and that nobody reads is taken over rather than replaced, since writers may wait in
 * open(2) on that very FIFO; then it is not ours to remove either. Only one of the daemon's user or of the declared
 * owner is: whoever owns a FIFO can let in whom he likes.
 */
import { closeSync, constants, lstatSync, unlinkSync } from "node:fs";
import { isSystemError, type SocketAddress, type Sys } from "../native/sys.ts";
import { ok, type Result } from "../util/result.ts";
import { formatSocketAddress } from "./address.ts";
import { nodeAttributes } from "./attributes.ts";
import { failed, inUse, type OpenFailure } from "./failure.ts";
import { type HeldFile, holdFile } from "./held.ts";
import type { BoundListener } from "./listener.ts";
import { describeFile, identify, isStill, type NodeAttributes, type UnixNode, underLock } from "./node.ts";
import type { ListenerOptions } from "./options.ts";

/** Makes the FIFO if there is none, and opens it; nothing is left behind when it fails. Does not wait. */
export function openFifo(
  sys: Sys,
  path: string,
  options: ListenerOptions,
): Result<BoundListener, OpenFailure> {
  const attributes = nodeAttributes(sys, options);
  if (!attributes.ok) return attributes;
  const opened = underLock(sys, path, attributes.value.directoryMode, () =>
    lstatSync(path, { throwIfNoEntry: false }) === undefined
      ? makeFifo(sys, path, attributes.value)
      : holdFile(path, (file) => takeOver(path, file, attributes.value)),
  );
  if (!opened.ok) return opened;
  const address: SocketAddress = { family: "unix", path };
  return ok({
    ...opened.value,
    kind: "fifo",
    address,
    canonical: formatSocketAddress("fifo", address),
    name: options.name,
    backlog: 0,
    twin: null,
    settings: null,
  });
}

type Opened = Pick<BoundListener, "fd" | "node">;

function makeFifo(
  sys: Pick<Sys, "makeFifo">,
  path: string,
  attributes: NodeAttributes,
): Result<Opened, OpenFailure> {
  // Born with no rights but our own to open it.
  sys.makeFifo(path, 0o600);
  return holdFile(path, (file) => {
    const node: UnixNode = identify(path, file.stats);
    try {
      const opened = takeOver(path, file, attributes);
      return opened.ok ? ok({ ...opened.value, node }) : opened;
    } catch (error) {
      if (isStill(node)) unlinkSync(path);
      throw error;
    }
  });
}

function takeOver(
  path: string,
  file: HeldFile,
  { uid, gid, mode }: NodeAttributes,
): Result<Opened, OpenFailure> {
  if (!file.stats.isFIFO())
    return failed("EEXIST", `${path} is ${describeFile(file.stats)}, which is left alone`);
  const owner = Number(file.stats.uid);
  if (owner !== process.geteuid?.() && owner !== uid) {
    return failed("EEXIST", `${path} is a FIFO of another user (uid ${owner}), which is left alone`);
  }
  if (hasReader(file)) return inUse(null);
  const fd = file.open(constants.O_RDWR | constants.O_NONBLOCK);
  try {
    file.chown(uid, gid);
    file.chmod(mode);
    return ok({ fd, node: null });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** A FIFO opens for writing alone, without waiting, only if somebody has it open for reading (fifo(7)). */
function hasReader(file: HeldFile): boolean {
  try {
    closeSync(file.open(constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    if (isSystemError(error) && error.code === "ENXIO") return false;
    throw error;
  }
}
