/** Opens the control socket of a daemon: where it is, who may connect to it, and who may do what. */
import type { DaemonConfig } from "../config/config.ts";
import { type CallerLimits, roleByCredentials } from "../control/callers.ts";
import { ensureControlDirectory } from "../control/path.ts";
import { nodeRights, type RoleRules } from "../control/roles.ts";
import { type ControlServer, type ControlWorld, serveControl } from "../control/server.ts";
import type { Sys } from "../native/sys.ts";
import { openListener } from "../net/listen.ts";
import { lookUpGroup } from "../process/machine.ts";
import { err, ok, type Result } from "../util/result.ts";

const backlog = 128;
/** Callers that we know may wait for as long as what they have asked for takes, or follow events for ever. */
const controlLimits: CallerLimits = { count: 64, requestMs: 5_000, answerMs: null };

/** @param ownUid the daemon's, who may do everything beside root */
export async function openControl(
  world: Omit<ControlWorld, "roleOf" | "limits">,
  path: string,
  ownUid: number,
  config: Pick<DaemonConfig, "controlGroup" | "statusGroup">,
): Promise<Result<ControlServer, string>> {
  const failed = (reason: string) => err(`cannot make the control socket ${path}: ${reason}`);
  const folder = ensureControlDirectory(path, ownUid);
  if (!folder.ok) return failed(folder.error);
  const groups = groupsOf(world.sys, config);
  if (!groups.ok) return failed(groups.error);
  const { mode, group } = nodeRights(groups.value);
  const bound = await openListener(world.sys, {
    endpoint: { kind: "unix", path },
    options: { name: "control", backlog, mode, ...(group === null ? {} : { group: `${group}` }) },
  });
  if (!bound.ok) return failed(bound.error.reason);
  const [listener] = bound.value;
  if (listener === undefined) throw new Error("a listener without a socket");
  return ok(
    serveControl(
      { ...world, roleOf: roleByCredentials(world.sys, { ownUid, ...groups.value }), limits: controlLimits },
      listener,
    ),
  );
}

function groupsOf(
  sys: Sys,
  { controlGroup, statusGroup }: Pick<DaemonConfig, "controlGroup" | "statusGroup">,
): Result<Omit<RoleRules, "ownUid">, string> {
  const found: (number | null)[] = [];
  for (const name of [controlGroup, statusGroup]) {
    const group = name === null ? null : lookUpGroup(name, sys);
    if (name !== null && group === null) return err(`there is no group "${name}"`);
    found.push(group?.gid ?? null);
  }
  const [control = null, status = null] = found;
  return ok({ controlGroup: control, statusGroup: status });
}
