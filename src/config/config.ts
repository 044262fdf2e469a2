/** A whole configuration as the daemon works with it: plain data, checked, with all defaults in place. */
import type { Endpoint } from "../net/address.ts";
import type { Position } from "./problem.ts";
import type { Handoff } from "./schema/handoff.ts";
import type { daemonTable, listenerTable, serviceTable } from "./schema/index.ts";
import type { Values } from "./schema/key.ts";

export type { Position, Problem } from "./problem.ts";
export type { StderrTarget } from "./schema/context.ts";
export type { LogDestination } from "./schema/daemon.ts";
export type { Handoff } from "./schema/handoff.ts";
export type { Ready } from "./schema/lifecycle.ts";
export type { KeepAlive } from "./schema/listener.ts";
export type { AccessWindow } from "./schema/types/hours.ts";
export type { LimitValue, ResourceLimit } from "./schema/types/limit.ts";

export interface Config {
  /** The main file. */
  path: string;
  /** All files that were read, the main one first. */
  files: string[];
  daemon: DaemonConfig;
  /** In the order of the text. */
  services: Map<string, ServiceConfig>;
}

/** `[daemon]`; durations are milliseconds, `null` is "off" or not set. */
export type DaemonConfig = Values<typeof daemonTable>;

/** Options of one listener, those of `socket` and its own together. */
export type ListenerOptions = Omit<Values<typeof listenerTable>, "name"> & { name: string };

export interface ListenerConfig {
  endpoint: Endpoint;
  /** As written: `7000`, `*:ssh`. */
  declared: string;
  options: ListenerOptions;
  position: Position;
}

/**
 * One `[services.NAME]`, the defaults of its handoff and of the file applied. Durations are milliseconds and `null` for
 * "off", sizes bytes, rates `{ count, perMs, burst }`; a key that has no default and was not set is `null`.
 */
export type ServiceConfig = Omit<
  Values<typeof serviceTable>,
  "listen" | "socket" | "handoff" | "command" | "noNewPrivileges"
> & {
  name: string;
  /** Where its table begins. */
  position: Position;
  handoff: Handoff;
  /** Split into words; empty for a built-in. */
  command: string[];
  listeners: ListenerConfig[];
  noNewPrivileges: boolean;
  /** Where its keys stand, by their path as written: `stop_timeout`, `listen.0`, `limits.nofile`. */
  keyPositions: Record<string, Position>;
};

/** Where a key stands (`limits.nofile`), else the nearest thing around it that does. */
export function positionOf(service: ServiceConfig, keyPath: string): Position {
  for (let path = keyPath; path !== ""; path = path.slice(0, Math.max(0, path.lastIndexOf(".")))) {
    const position = Object.hasOwn(service.keyPositions, path) ? service.keyPositions[path] : undefined;
    if (position !== undefined) return position;
  }
  return service.position;
}
