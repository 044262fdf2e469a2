/**
 * The place of our cgroups: one directory per daemon, below the cgroup v2 that the daemon itself is in, with one for
 * each handler in it. It is ours to use if systemd has delegated it (or a cgroup above it) to us, or does not run this
 * machine (https://systemd.io/CGROUP_DELEGATION). The hierarchy may be mounted anywhere (/sys/fs/cgroup, beside
 * version 1 /sys/fs/cgroup/unified), and without any controller it does all that is needed here. Therefore the daemon
 * need not leave its own cgroup: that only those without processes of their own may have children is a rule for
 * controllers.
 *
 * The daemon holds a lock on its directory for as long as it lives, whatever the pid namespace. What a daemon without
 * one has left, because it crashed, is removed where it is empty; handlers of it that still run are left alone.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Carry } from "../native/carry.ts";
import type { Fd, Sys } from "../native/sys.ts";
import { isSystemError } from "../native/sys.ts";
import { cgroupOf } from "./proc.ts";

export interface CgroupHome {
  /** Makes a cgroup for a handler of `service` and returns its directory. @throws a system error */
  create(service: string): string;
  /** Removes a cgroup without processes, and those that its handler has made in it. */
  remove(directory: string): void;
  /** Its path as /proc/PID/cgroup shows it to us. */
  nameOf(directory: string): string;
  /** For `resumeCgroupHome` in another process image of the same pid. */
  save(carry: Carry): SavedCgroupHome;
  /** Removes the place itself and gives up the lock. */
  close(): void;
}

export interface SavedCgroupHome {
  /** The cgroup that the daemon was in when the place was made, as /proc/PID/cgroup shows it, and its directory. */
  name: string;
  own: string;
  /** The place. */
  home: string;
  /** Holds the lock, which outlives an exec with it. */
  lock: Fd;
  /** So many cgroups were made: no name is used twice. */
  count: number;
  /** Those that were to be removed, and could not be yet. */
  stuck: string[];
}

type HomeSys = Pick<Sys, "lockFile" | "getxattr">;

const prefix = "tinetd-";
const mostTries = 100;

/** `null` where there is no usable cgroup: the hierarchy is not mounted, not ours, or the kernel is before 5.14. */
export function openCgroupHome(sys: HomeSys, pid: number): CgroupHome | null {
  const name = cgroupOf("self");
  const own = name === null ? null : findCgroup(readFileSync("/proc/self/mountinfo", "latin1"), name);
  if (name === null || own === null || !isOurs(sys, own)) return null;
  removeStale(sys, own);
  const place = settle(sys, own, pid);
  if (place === null) return null;
  return homeAt({ name, own, home: place.directory, lock: place.lock, count: 0, stuck: [] });
}

/** Goes on with the place of another process image of ours: looks at nothing, and removes nothing. */
export function resumeCgroupHome(saved: SavedCgroupHome, claim: Carry): CgroupHome {
  return homeAt({ ...saved, lock: claim(saved.lock) });
}

function homeAt({ name, own, home, lock, ...saved }: SavedCgroupHome): CgroupHome {
  const stuck = new Set(saved.stuck);
  let { count } = saved;

  function remove(directory: string): void {
    stuck.add(directory);
    for (const each of stuck) if (removeTree(each)) stuck.delete(each);
  }
  return {
    create(service) {
      count += 1;
      const directory = join(home, `${service}-${count}`);
      // Recursive: should somebody have tidied our place away while it was empty, it is made anew.
      mkdirSync(directory, { recursive: true });
      return directory;
    },
    remove,
    nameOf: (directory) => join(name, directory.slice(own.length)),
    save: (carry) => ({ name, own, home, lock: carry(lock), count, stuck: [...stuck] }),
    close() {
      remove(home);
      closeSync(lock);
    },
  };
}

/** Where a cgroup v2 of that name is to be found, by proc_pid_mountinfo(5). Pure. */
export function findCgroup(mountinfo: string, name: string): string | null {
  for (const line of mountinfo.split("\n")) {
    const fields = line.split(" ");
    const [, , , root = "", mountPoint = ""] = fields;
    if (fields[fields.indexOf("-") + 1] !== "cgroup2") continue;
    const top = root === "/" ? "" : decodeOctal(root);
    // Seen from another cgroup namespace, or mounted from further down, it may be out of sight.
    if (name.startsWith("/..") || !`${name}/`.startsWith(`${top}/`)) continue;
    return join(decodeOctal(mountPoint), name.slice(top.length)).replace(/(.)\/$/, "$1");
  }
  return null;
}

/** Spaces and the like are octal in mountinfo. */
function decodeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_match, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Root owns all, so that for root only systemd's mark tells; what belongs to another user was given to that user. */
function isOurs(sys: HomeSys, own: string): boolean {
  if (!existsSync("/run/systemd/system")) return true;
  const uid = process.geteuid?.() ?? 0;
  if (uid !== 0) return statSync(own).uid === uid;
  for (let directory = own; existsSync(join(directory, "cgroup.procs")); directory = dirname(directory)) {
    if (["trusted.delegate", "user.delegate"].some((mark) => isSet(sys, directory, mark))) return true;
  }
  return false;
}

function isSet(sys: HomeSys, directory: string, mark: string): boolean {
  const value = sys.getxattr(directory, mark);
  return value !== null && Buffer.from(value).toString() === "1";
}

/** Makes our directory and locks it. */
function settle(sys: HomeSys, own: string, pid: number): { directory: string; lock: Fd } | null {
  for (let number = 1; number <= mostTries; number++) {
    const directory = join(own, `${prefix}${pid}${number === 1 ? "" : `-${number}`}`);
    try {
      mkdirSync(directory);
    } catch (error) {
      // A daemon of the same pid, in another namespace or before us, may have left some that runs.
      if (isSystemError(error) && error.code === "EEXIST") continue;
      return null;
    }
    if (!isUsable(directory)) {
      removeTree(directory);
      return null;
    }
    const lock = lockPlace(sys, directory);
    if (lock === null) continue;
    // Another daemon may have taken it for one without an owner in between.
    if (existsSync(directory)) return { directory, lock };
    closeSync(lock);
  }
  return null;
}

function isUsable(directory: string): boolean {
  return (
    existsSync(join(directory, "cgroup.kill")) &&
    readFileSync(join(directory, "cgroup.type"), "latin1").trim() === "domain"
  );
}

function removeStale(sys: HomeSys, own: string): void {
  for (const entry of readdirSync(own)) {
    if (!entry.startsWith(prefix)) continue;
    const directory = join(own, entry);
    const lock = lockPlace(sys, directory);
    if (lock === null) continue;
    removeTree(directory);
    closeSync(lock);
  }
}

/** `null` if another daemon has it, or it is gone or not ours. */
function lockPlace(sys: HomeSys, directory: string): Fd | null {
  let lock: Fd;
  try {
    lock = openSync(join(directory, "cgroup.procs"), "r+");
  } catch {
    return null;
  }
  if (sys.lockFile(lock) === null) return lock;
  closeSync(lock);
  return null;
}

/** Removes what is empty of it, the deepest first. `false` if something is left. */
function removeTree(directory: string): boolean {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(directory, entry.name));
    }
    rmdirSync(directory);
    return true;
  } catch (error) {
    return isSystemError(error) && error.code === "ENOENT";
  }
}
