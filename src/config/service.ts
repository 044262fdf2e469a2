/** Checks one service and puts its defaults in place. */
import { posix } from "node:path";
import type { EndpointKind } from "../net/address.ts";
import type { ListenerConfig, ServiceConfig } from "./config.ts";
import type { ApplyDefaults, PartialValues } from "./defaults.ts";
import { readListeners, unusedOptions } from "./listeners.ts";
import { isTable, type Located } from "./located.ts";
import { keyMisfit, listenerMisfit } from "./misfit.ts";
import type { Position, Problem } from "./problem.ts";
import { requirements } from "./requirements.ts";
import type { Handoff } from "./schema/handoff.ts";
import { serviceTable } from "./schema/index.ts";
import { type KeyTable, rowNamed, rowsOf } from "./schema/key.ts";
import { knownKey, readTable, type TableContext } from "./table.ts";
import { availabilityProblems, listenerAvailability } from "./unavailable.ts";
import type { VerifyOptions } from "./verify.ts";

const rows: KeyTable = serviceTable;

/** `[defaults]`, ready to be put under any service. */
export interface ServiceDefaults {
  values: PartialValues;
  apply: ApplyDefaults;
  /** Of `socket`. */
  socket: PartialValues;
  keyPositions: Record<string, Position>;
}

/**
 * @param problems all that is wrong is added to it
 * @returns what could be made of the service, of use only if nothing was wrong
 */
export function verifyService(
  name: string,
  table: Located,
  defaults: ServiceDefaults,
  options: VerifyOptions,
  problems: Problem[],
): ServiceConfig {
  const context: TableContext = {
    located: table,
    path: [],
    title: `[services.${name}]`,
    service: name,
    problems,
  };
  checkName(name, context);
  const { listen, ...keys } = table.values;
  const { socket: ownSocket, ...own } = readTable(rows, keys, context);
  const socket = asTable(ownSocket);
  const shared = { ...defaults.socket, ...socket };
  const listeners = listen === undefined ? [] : readListeners(listen, shared, context);
  const kinds = new Set(listeners.map(({ endpoint }) => endpoint.kind));
  for (const option of listeners.length > 0 ? unusedOptions(socket, listeners) : []) {
    add(context, ["socket", option], `socket.${option} goes with no listener of this service`);
  }
  const { availability } = options;
  const handoff = handoffOf(own, keys);
  const sort = { handoff, kinds };
  problems.push(...availabilityProblems("service", { ...own, socket }, table, name, availability, sort));
  problems.push(...listenerAvailability(listeners, shared, name, availability));

  // A handoff that is none has been reported: what goes with it, nobody can say.
  if (handoff !== null) {
    checkListeners(listeners, handoff, context);
    if (listeners.length > 0) checkCombinations(own, handoff, kinds, context);
    checkInheritedAccess(own, defaults.values, handoff, kinds, context);
  }
  const values = defaults.apply(own, handoff ?? "stdio", kinds);
  const service: ServiceConfig = Object.assign(
    values as Omit<ServiceConfig, keyof Made>,
    made(name, table, values, handoff ?? "stdio", listeners, defaults),
  );
  if (handoff !== null) {
    for (const { key, message, hint } of requirements(service, attemptedKeys(table), options)) {
      add(context, key === null ? [] : [key], message, hint);
    }
  }
  return service;
}

/** The keys that somebody wrote or meant to write: of these none is reported as missing. */
function attemptedKeys(table: Located): Set<string> {
  return new Set(
    Object.keys(table.values).map((key) => (rowsOf(rows).has(key) ? key : (knownKey(rows, key) ?? key))),
  );
}

/** A name becomes part of variables, of cgroup paths and of command lines. */
function checkName(name: string, context: TableContext): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(name)) return;
  const message = `${JSON.stringify(name)} cannot be the name of a service`;
  add(
    context,
    [],
    message,
    "a name has 1 to 64 letters, digits and _.-, and begins with a letter, a digit or _",
  );
}

function handoffOf(own: PartialValues, written: Record<string, unknown>): Handoff | null {
  if (written.builtin !== undefined) return "builtin";
  if (written.handoff === undefined) return "stdio";
  return (own.handoff as Handoff | undefined) ?? null;
}

function checkListeners(listeners: readonly ListenerConfig[], handoff: Handoff, context: TableContext): void {
  const told = new Set<EndpointKind>();
  for (const { endpoint, declared, position } of listeners) {
    const why = listenerMisfit(endpoint.kind, handoff);
    if (why === null || told.has(endpoint.kind)) continue;
    told.add(endpoint.kind);
    const what = handoff === "builtin" ? "a built-in" : `handoff = "${handoff}"`;
    const message = `listen: "${declared}" does not go with ${what}: ${why}`;
    context.problems.push({ position, message, hint: null, service: context.service, key: "listen" });
  }
}

function checkCombinations(
  own: PartialValues,
  handoff: Handoff,
  kinds: ReadonlySet<EndpointKind>,
  context: TableContext,
): void {
  const check = (path: string[], value: unknown): boolean => {
    const key = path.join(".");
    const misfit = keyMisfit(key, value, handoff, kinds);
    if (misfit !== null) add(context, path, `${key} ${misfit}`);
    return misfit === null;
  };
  for (const [name, value] of Object.entries(own)) {
    const found = rowNamed(rows, name);
    // A built-in with a command: which of the two is too much, `requirements` asks.
    if (found === undefined || (handoff === "builtin" && name === "command")) continue;
    const { key, row } = found;
    if (!check([key], value) || row.fields === null || !isTable(value)) continue;
    for (const { key: field, name: part } of rowsOf(row.fields).values()) {
      if (part in value) check([key, field], value[part]);
    }
  }
}

/**
 * Of `[defaults]`, what does not go with a service is left out for it in silence; but not who may use a Unix socket:
 * nobody shall believe a door locked that is not.
 */
function checkInheritedAccess(
  own: PartialValues,
  defaults: PartialValues,
  handoff: Handoff,
  kinds: ReadonlySet<EndpointKind>,
  context: TableContext,
): void {
  if (!kinds.has("unix") && !kinds.has("unix-seqpacket")) return;
  for (const key of ["allow_users", "allow_groups"]) {
    const name = rowsOf(rows).get(key)?.name ?? key;
    const misfit = own[name] === undefined ? keyMisfit(key, defaults[name], handoff, kinds) : null;
    if (defaults[name] === undefined || misfit === null) continue;
    add(context, [], `${key} of [defaults] ${misfit}`, "`mode`, `owner` and `group` of the socket can do it");
  }
}

/** What a service has besides the values of its keys. */
type Made = Pick<
  ServiceConfig,
  "name" | "position" | "handoff" | "command" | "noNewPrivileges" | "listeners" | "keyPositions"
>;

function made(
  name: string,
  table: Located,
  values: PartialValues,
  handoff: Handoff,
  listeners: ListenerConfig[],
  defaults: ServiceDefaults,
): Made {
  const isRoot = values.user === "root" || values.user === "0";
  return {
    name,
    position: table.at([], "key"),
    handoff,
    command: fromFolder((values.command as string[] | null) ?? [], table.at([], "key").file),
    noNewPrivileges: (values.noNewPrivileges as boolean | null) ?? !isRoot,
    listeners,
    keyPositions: { ...defaults.keyPositions, ...table.keyPositions() },
  };
}

/** A program that is named by its place beside the file is found wherever the daemon was started. */
function fromFolder(command: string[], file: string): string[] {
  const [program = "", ...args] = command;
  return /^\.{1,2}\//.test(program) ? [posix.resolve(posix.dirname(file), program), ...args] : command;
}

function asTable(value: unknown): Record<string, unknown> {
  return isTable(value) ? value : {};
}

function add(
  context: TableContext,
  path: readonly string[],
  message: string,
  hint: string | null = null,
): void {
  context.problems.push({
    position: context.located.at(path, "key"),
    message,
    hint,
    service: context.service,
    key: path.length === 0 ? null : path.join("."),
  });
}
