/**
 * What a service needs of this machine, looked up before anything is started: its executable, user, groups,
 * directories and environment files. What is missing is a machine error: it makes that one service `failed`, and is
 * looked up again later.
 */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ServiceConfig } from "../config/config.ts";
import type { GroupRecord, Sys, UserRecord } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { defaultPath, parseEnvironmentFile } from "./environment.ts";

/** Who the daemon is and what it was given: handed in, so that nothing here reads the process. */
export interface Host {
  uid: number;
  gid: number;
  groups: readonly number[];
  environment: Readonly<Record<string, string | undefined>>;
}

export interface MachineProblem {
  /** The key to blame. */
  key: string;
  message: string;
  hint: string | null;
}

export interface Facts {
  /** Absolute path of the executable, inside the root directory. */
  file: string;
  user: UserRecord;
  /** `null`: the handler keeps the daemon's own identity. */
  credentials: { uid: number; gid: number; groups: readonly number[] } | null;
  passed: [string, string][];
  environmentFiles: [string, string][][];
}

/** Looks everything up; all that is missing is reported, not only the first. May block on NSS and disks. */
export function lookUp(service: ServiceConfig, sys: Sys, host: Host): Result<Facts, MachineProblem[]> {
  const problems: MachineProblem[] = [];
  const complain = (key: string, message: string, hint: string | null = null) =>
    problems.push({ key, message, hint });
  const root = service.rootDirectory ?? "";
  if (root !== "") directory(root, "root_directory", complain);
  directory(join(root, service.workingDirectory), "working_directory", complain);
  const file = executable(service, root, complain);
  const identity = lookUpIdentity(service, sys, host, complain);
  const environmentFiles = service.environmentFile.map((name) => environmentFile(name, complain));
  if (problems.length > 0 || file === null || identity === null) return err(problems);
  const passed: [string, string][] = [];
  for (const name of service.passEnvironment) {
    const value = host.environment[name];
    if (value !== undefined) passed.push([name, value]);
  }
  return ok({ file, ...identity, passed, environmentFiles });
}

type Complain = (key: string, message: string, hint?: string | null) => void;

function directory(path: string, key: string, complain: Complain): void {
  try {
    if (!statSync(path).isDirectory()) complain(key, `${path} is not a directory`);
  } catch (error) {
    complain(key, `${path}: ${reason(error)}`);
  }
}

/** The file to execute. A name without a slash is looked up in the handler's own PATH, or in the default one. */
function executable(service: ServiceConfig, root: string, complain: Complain): string | null {
  const name = service.command[0];
  if (name === undefined) return null;
  if (name.includes("/")) {
    const problem = notExecutable(join(root, name));
    if (problem === null) return name;
    complain("command", `${name}: ${problem}`);
    return null;
  }
  const path = service.environment.PATH ?? defaultPath;
  for (const folder of path.split(":")) {
    if (folder.startsWith("/") && notExecutable(join(root, folder, name)) === null) return join(folder, name);
  }
  complain("command", `"${name}" is not in ${path}`, "write the absolute path of the program");
  return null;
}

function notExecutable(path: string): string | null {
  try {
    if (statSync(path).isDirectory()) return "is a directory";
    accessSync(path, constants.X_OK);
    return null;
  } catch (error) {
    return reason(error);
  }
}

function lookUpIdentity(
  service: ServiceConfig,
  sys: Sys,
  host: Host,
  complain: Complain,
): { user: UserRecord; credentials: Facts["credentials"] } | null {
  const user = lookUpUser(service.user ?? host.uid, sys);
  if (user === null) {
    complain("user", `there is no user "${service.user ?? host.uid}"`);
    return null;
  }
  const group = service.group === null ? { name: "", gid: user.gid } : lookUpGroup(service.group, sys);
  if (group === null) {
    complain("group", `there is no group "${service.group}"`);
    return null;
  }
  const groups = supplementary(service, user, group, sys, complain);
  if (groups === null) return null;
  if (host.uid === 0) return { user, credentials: { uid: user.uid, gid: group.gid, groups } };
  if (user.uid !== host.uid) {
    complain(
      "user",
      `the daemon runs as uid ${host.uid} and cannot become "${service.user}"`,
      "start it as root",
    );
    return null;
  }
  // Without privilege the identity stays as it is; asking for just that is fine, for anything else it is not.
  if (service.group !== null && group.gid !== host.gid) {
    complain(
      "group",
      `the daemon runs as gid ${host.gid} and cannot become "${service.group}"`,
      "start it as root",
    );
    return null;
  }
  if (service.groups !== null && !groups.every((gid) => gid === host.gid || host.groups.includes(gid))) {
    complain("groups", `the daemon runs as uid ${host.uid} and cannot set groups`, "start it as root");
    return null;
  }
  return { user, credentials: null };
}

/** A number that no record has is an identity all the same, as systemd and setpriv take it. */
function lookUpUser(nameOrUid: string | number, sys: Sys): UserRecord | null {
  const number =
    typeof nameOrUid === "number" ? nameOrUid : /^\d+$/.test(nameOrUid) ? Number(nameOrUid) : null;
  const record = sys.lookupUser(number ?? nameOrUid);
  if (record !== null || number === null) return record;
  return { name: String(number), uid: number, gid: number, home: "/", shell: "/bin/sh" };
}

/** By name or number; a number need not have a name. */
export function lookUpGroup(nameOrGid: string, sys: Pick<Sys, "lookupGroup">): GroupRecord | null {
  if (!/^\d+$/.test(nameOrGid)) return sys.lookupGroup(nameOrGid);
  return sys.lookupGroup(Number(nameOrGid)) ?? { name: nameOrGid, gid: Number(nameOrGid) };
}

/** `groups` replaces what initgroups would give; without it they are the user's own. */
function supplementary(
  service: ServiceConfig,
  user: UserRecord,
  group: GroupRecord,
  sys: Sys,
  complain: Complain,
): number[] | null {
  if (service.groups === null) return sys.groupList(user.name, group.gid);
  const gids: number[] = [];
  let complete = true;
  for (const name of service.groups) {
    const record = lookUpGroup(name, sys);
    if (record === null) {
      complain("groups", `there is no group "${name}"`);
      complete = false;
    } else gids.push(record.gid);
  }
  return complete ? gids : null;
}

/** A leading `-` means that the file may be absent (as in systemd.exec(5)). */
function environmentFile(name: string, complain: Complain): [string, string][] {
  const optional = name.startsWith("-");
  const path = optional ? name.slice(1) : name;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (!optional || (error as NodeJS.ErrnoException).code !== "ENOENT") {
      complain("environment_file", `${path}: ${reason(error)}`);
    }
    return [];
  }
  const parsed = parseEnvironmentFile(text);
  if (parsed.ok) return parsed.value;
  complain("environment_file", `${path}:${parsed.error.line}: ${parsed.error.message}`);
  return [];
}

/** The words of the errors that people meet here; the code for all others. */
function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const words: Record<string, string> = {
    ENOENT: "no such file or directory",
    EACCES: "permission denied",
    ENOTDIR: "part of the path is not a directory",
    EISDIR: "is a directory",
    ELOOP: "too many symbolic links",
  };
  return words[code] ?? code;
}
