/** Who may do what: pure, from what the kernel says of the caller. */

/**
 * Each may do what those before it may. `watch`: see how things are, but not who is connected nor how it is configured;
 * that is for whoever reaches the TCP listener. `read`: GET. `operate`: everything.
 */
const roles = ["watch", "read", "operate"] as const;
export type Role = (typeof roles)[number];

export function mayCall(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}

/** A caller's credentials as they were when it connected (SO_PEERCRED, SO_PEERGROUPS; socket(7)). */
export interface Caller {
  uid: number;
  gid: number;
  /** Supplementary groups. */
  groups: readonly number[];
}

export interface RoleRules {
  /** Of the daemon itself. */
  ownUid: number;
  /** gids; `null` where the configuration names none. */
  controlGroup: number | null;
  statusGroup: number | null;
}

/** @returns `null`: nothing at all */
export function roleOf(caller: Caller, { ownUid, controlGroup, statusGroup }: RoleRules): Role | null {
  const isIn = (group: number | null) =>
    group !== null && (caller.gid === group || caller.groups.includes(group));
  if (caller.uid === 0 || caller.uid === ownUid || isIn(controlGroup)) return "operate";
  return isIn(statusGroup) ? "read" : null;
}

/**
 * Owner group and mode of the socket's node, which lets in nobody who has no role where that can be said: a node has
 * one group, so with two it is open to all, and `roleOf` alone decides.
 */
export function nodeRights({ controlGroup, statusGroup }: Omit<RoleRules, "ownUid">): {
  mode: number;
  group: number | null;
} {
  const groups = new Set([controlGroup, statusGroup].filter((group) => group !== null));
  const [group = null] = groups;
  if (groups.size > 1) return { mode: 0o666, group: null };
  return group === null ? { mode: 0o600, group } : { mode: 0o660, group };
}
