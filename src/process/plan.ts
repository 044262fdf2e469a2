/**
 * From what a service declares and what the machine has to the plan of a spawn: everything resolved into numbers and
 * strings, once per service, so that a start looks nothing up. Pure.
 */
import type { LimitValue, ServiceConfig } from "../config/config.ts";
import type { SpawnPlan } from "../native/sys.ts";
import { unreachable } from "../util/unreachable.ts";
import { buildEnvironment, chosenNames, type EnvironmentSources } from "./environment.ts";
import type { Facts } from "./machine.ts";
import type { UsualPriority } from "./priority.ts";

export interface HandlerPlan {
  spawn: SpawnPlan;
  /** Names that the service sets itself: the connection's variables of these names are left out. */
  chosen: ReadonlySet<string>;
}

/** What `RLIMIT_*` and `CAP_*` are on this machine, our own limits, which `HARD` stands for, and what else is usual. */
export interface Limits {
  constants: Readonly<Record<string, number>>;
  hardLimit(resource: number): number;
  priority: UsualPriority;
}

export function planHandler(service: ServiceConfig, facts: Facts, limits: Limits): HandlerPlan {
  const sources: EnvironmentSources = {
    service: service.name,
    user: facts.user,
    handoff: handoffVariables(service),
    passed: facts.passed,
    files: facts.environmentFiles,
    declared: service.environment,
  };
  return {
    spawn: {
      file: facts.file,
      argv: [service.argv0 ?? service.command[0] ?? facts.file, ...service.command.slice(1)],
      environment: [...buildEnvironment(sources)].map(([name, value]) => `${name}=${value}`),
      workingDirectory: service.workingDirectory,
      umask: service.umask,
      credentials: facts.credentials,
      rootDirectory: service.rootDirectory,
      limits: resolveLimits(service, limits),
      nice: service.nice ?? limits.priority.nice,
      oomScoreAdjust: service.oomScoreAdjust ?? limits.priority.oomScoreAdjust,
      capabilities: capabilities(service, facts, limits),
      noNewPrivileges: service.noNewPrivileges,
    },
    chosen: chosenNames(sources),
  };
}

/** Those that are the same for every start. An empty LISTEN_PID is filled in by the spawn, which alone knows the pid. */
function handoffVariables(service: ServiceConfig): [string, string][] {
  switch (service.handoff) {
    case "stdio":
      if (service.connectionFd === 0) return [];
      return [
        ["LISTEN_FDS", "1"],
        ["LISTEN_FDNAMES", "connection"],
        ["LISTEN_PID", ""],
      ];
    case "wait":
    case "listen":
    case "pass":
    case "proxy":
    case "builtin":
      return [];
    default:
      return unreachable(service.handoff);
  }
}

/** Only root has what nobody has declared. The daemon itself may have some without being root, by its unit. */
function capabilities(service: ServiceConfig, { user }: Facts, limits: Limits): number[] | null {
  if (service.capabilities !== null) return service.capabilities.map((name) => constant(limits, name));
  return user.uid === 0 ? null : [];
}

/** "HARD" is ours; a soft limit that is above it comes down to it, as `ulimit -S` would have it. */
function resolveLimits(service: ServiceConfig, limits: Limits): SpawnPlan["limits"] {
  const resolved: { resource: number; soft: number; hard: number }[] = [];
  for (const [name, limit] of Object.entries(service.limits)) {
    if (limit === null) continue;
    const resource = constant(limits, `RLIMIT_${name.toUpperCase()}`);
    const hard = limitValue(limit.hard, limits.hardLimit(resource));
    const soft = limitValue(limit.soft, hard);
    resolved.push({
      resource,
      soft: hard === unlimited ? soft : soft === unlimited ? hard : Math.min(soft, hard),
      hard,
    });
  }
  return resolved;
}

/** RLIM_INFINITY, as the addon has it. */
const unlimited = -1;

function limitValue(value: LimitValue, hard: number): number {
  switch (value) {
    case "hard":
      return hard;
    case "unlimited":
      return unlimited;
    default:
      return value;
  }
}

function constant(limits: Limits, name: string): number {
  const value = limits.constants[name];
  if (value === undefined) throw new Error(`the addon has no constant ${name}`);
  return value;
}
