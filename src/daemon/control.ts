/** The control socket of a daemon: where it is, who may connect to it, and who may do what. */
import type { DaemonConfig } from "../config/config.ts";
import { type CallerLimits, roleByCredentials } from "../control/callers.ts";
import { ensureControlDirectory } from "../control/path.ts";
import { nodeRights, type RoleRules } from "../control/roles.ts";
import { type ControlServer, type ControlWorld, serveControl } from "../control/server.ts";
import type { Sys } from "../native/sys.ts";
import { adjustListener } from "../net/adjust.ts";
import { type BoundListener, openListener } from "../net/listen.ts";
import type { ListenerOptions } from "../net/options.ts";
import { lookUpGroup } from "../process/machine.ts";
import { err, ok, type Result } from "../util/result.ts";

const backlog = 128;
/** Callers that we know may wait for as long as what they have asked for takes, or follow events for ever. */
const controlLimits: CallerLimits = { count: 64, requestMs: 5_000, answerMs: null };

type GroupKeys = Pick<DaemonConfig, "controlGroup" | "statusGroup">;
type ServerWorld = Omit<ControlWorld, "roleOf" | "limits">;
type Groups = Omit<RoleRules, "ownUid">;

export interface Control extends ControlServer {
  /**
   * Lets in other groups from now on. Callers who are there keep the role with which they came.
   * @returns why it lets in those of before, or `null`
   */
  admit(config: GroupKeys): string | null;
}

/** @param ownUid the daemon's, who may do everything beside root */
export async function openControl(
  world: ServerWorld,
  path: string,
  ownUid: number,
  config: GroupKeys,
): Promise<Result<Control, string>> {
  const failed = (reason: string) => err(`cannot make the control socket ${path}: ${reason}`);
  const folder = ensureControlDirectory(path, ownUid);
  if (!folder.ok) return failed(folder.error);
  const { sys } = world;
  const groups = groupsOf(sys, config);
  if (!groups.ok) return failed(groups.error);
  const options = nodeOptions(groups.value);
  const bound = await openListener(sys, { endpoint: { kind: "unix", path }, options });
  if (!bound.ok) return failed(bound.error.reason);
  const [listener] = bound.value;
  if (listener === undefined) throw new Error("a listener without a socket");
  return ok(serve(world, path, listener, ownUid, groups.value));
}

/** The same by a socket that another process has opened. Keeps `listener`. */
export function resumeControl(
  world: ServerWorld,
  path: string,
  listener: BoundListener,
  ownUid: number,
  config: GroupKeys,
): Result<Control, string> {
  const groups = groupsOf(world.sys, config);
  return groups.ok ? ok(serve(world, path, listener, ownUid, groups.value)) : groups;
}

function serve(
  world: ServerWorld,
  path: string,
  listener: BoundListener,
  ownUid: number,
  groups: Groups,
): Control {
  const { sys } = world;
  let options = nodeOptions(groups);
  let roleOf = roleByCredentials(sys, { ownUid, ...groups });
  const server = serveControl({ ...world, roleOf: (fd) => roleOf(fd), limits: controlLimits }, listener);
  return {
    ...server,
    admit(changed) {
      const wanted = groupsOf(sys, changed);
      if (!wanted.ok) return wanted.error;
      const others = nodeOptions(wanted.value);
      if (!adjustListener(sys, listener, options, others)) return `${path} is not ours to change any more`;
      options = others;
      roleOf = roleByCredentials(sys, { ownUid, ...wanted.value });
      return null;
    },
  };
}

function nodeOptions(groups: Groups): ListenerOptions {
  const { mode, group } = nodeRights(groups);
  return { name: "control", backlog, mode, ...(group === null ? {} : { group: `${group}` }) };
}

function groupsOf(sys: Sys, { controlGroup, statusGroup }: GroupKeys): Result<Groups, string> {
  const found: (number | null)[] = [];
  for (const name of [controlGroup, statusGroup]) {
    const group = name === null ? null : lookUpGroup(name, sys);
    if (name !== null && group === null) return err(`there is no group "${name}"`);
    found.push(group?.gid ?? null);
  }
  const [control = null, status = null] = found;
  return ok({ controlGroup: control, statusGroup: status });
}
