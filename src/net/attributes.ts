/** Who shall own a node, from the names that were declared. */
import type { Sys } from "../native/sys.ts";
import { ok, type Result } from "../util/result.ts";
import { failed, type OpenFailure } from "./failure.ts";
import type { NodeAttributes } from "./node.ts";
import type { ListenerOptions } from "./options.ts";

/** Nobody but the daemon's own user, as FreeBSD's inetd has it. */
const defaultMode = 0o600;
const defaultDirectoryMode = 0o755;

/** Asks the user database, which may take a while; an id in digits need not be in it. */
export function nodeAttributes(
  sys: Pick<Sys, "lookupUser" | "lookupGroup">,
  { mode, owner, group, directoryMode }: ListenerOptions,
): Result<NodeAttributes, OpenFailure> {
  const uid = idOf(owner, (name) => sys.lookupUser(name)?.uid);
  if (uid === undefined) return failed(null, `owner: there is no user "${owner}"`);
  const gid = idOf(group, (name) => sys.lookupGroup(name)?.gid);
  if (gid === undefined) return failed(null, `group: there is no group "${group}"`);
  return ok({ mode: mode ?? defaultMode, uid, gid, directoryMode: directoryMode ?? defaultDirectoryMode });
}

function idOf(
  name: string | null | undefined,
  lookup: (name: string) => number | undefined,
): number | null | undefined {
  if (name === null || name === undefined) return null;
  return lookup(name) ?? (/^\d+$/.test(name) ? Number(name) : undefined);
}
