/** Keys of a service about the process that a handler is: identity, places, variables, resources. */
import { err, ok } from "../../util/result.ts";
import { key, optional, table } from "./key.ts";
import { boolean, dictionary, integer, list, parsed, text, unknownWord, words } from "./types/basic.ts";
import { resourceLimit } from "./types/limit.ts";
import {
  absolutePath,
  account,
  capability,
  checkVariableName,
  optionalFile,
  variableName,
  variableValue,
} from "./types/names.ts";
import { octal, processorShare, size } from "./types/quantities.ts";

/** Where a handler's standard error goes. */
export type StderrTarget = "inherit" | "log" | "null" | "socket" | { file: string };

const stderrWords = ["inherit", "log", "null", "socket"] as const;
const stderrExpected = '"inherit", "log", "null", "socket" or an absolute path';

const stderr = parsed<string, StderrTarget>(
  text(stderrExpected),
  (input) => {
    const word = stderrWords.find((known) => known === input);
    if (word !== undefined) return ok(word);
    return input.startsWith("/") ? ok({ file: input }) : err(unknownWord(input, stderrExpected, stderrWords));
  },
  (value) => (typeof value === "string" ? value : value.file),
);

/** A table: merged key by key, of which no key is known beforehand. */
const environment = dictionary(variableValue, "a table of variables", checkVariableName);

const limit = (unit: Parameters<typeof resourceLimit>[0], what: string, example: string) =>
  optional(resourceLimit(unit), { description: what, example });

export const contextKeys = {
  user: optional(account("user"), {
    description:
      "As whom the handler runs, with the groups of that user. A daemon that runs as root needs it for every command.",
    defaultText: "the daemon's own user, if that is not root",
    example: "nobody",
    alsoCalled: ["uid", "run_as"],
  }),
  group: optional(account("group"), {
    description: "The primary group.",
    defaultText: "the user's",
    example: "www-data",
    alsoCalled: ["gid"],
  }),
  groups: optional(list(account("group"), "a group"), {
    description: "The supplementary groups.",
    defaultText: "those of which the user is a member",
    example: ["audio"],
    alsoCalled: ["supplementary_groups"],
  }),
  working_directory: key(absolutePath, {
    description: "The directory in which the handler starts; inside `root_directory` if that is set.",
    default: "/",
    example: "/srv/app",
    alsoCalled: ["cwd", "directory", "chdir", "workdir"],
  }),
  root_directory: optional(absolutePath, {
    description: "chroot(2) there first.",
    example: "/srv/jail",
    alsoCalled: ["chroot"],
  }),
  runtime_directory: key(list(absolutePath, "an absolute path"), {
    description: "Made before the start, owned by `user`, mode 0755, kept while the service exists.",
    default: [],
    defaultText: "none",
    example: "/run/sshd",
  }),
  umask: key(octal(3, 0o777, "022"), {
    description: "The file mode creation mask.",
    default: "022",
    example: "077",
  }),
  environment: key(environment, {
    description: "Variables. A table of the defaults and one of the service are merged.",
    default: {},
    defaultText: "none",
    example: { LANG: "C.UTF-8" },
    alsoCalled: ["env"],
  }),
  environment_file: key(list(optionalFile, "an absolute path"), {
    description: "Files with NAME=VALUE lines; one with `-` before its path may be absent.",
    default: [],
    defaultText: "none",
    example: "-/etc/default/app",
  }),
  pass_environment: key(list(variableName, "the name of a variable"), {
    description: "Variables of the daemon's own environment that are passed on.",
    default: [],
    defaultText: "none",
    example: ["TZ"],
    alsoCalled: ["passenv"],
  }),
  nice: optional(integer(-20, 19), {
    description: "The scheduling priority.",
    defaultText: "0, or the daemon's where it may not improve it",
    example: 10,
  }),
  oom_score_adjust: optional(integer(-1000, 1000), {
    description: "How likely the kernel ends the handler when memory is short.",
    defaultText: "0, or the daemon's where it may not improve it",
    example: 500,
  }),
  limits: table(
    {
      nofile: key(resourceLimit("count"), {
        description: "Open descriptors.",
        default: "1024:HARD",
        example: "4096:HARD",
      }),
      nproc: limit("count", "Processes of the user.", "100"),
      core: limit("bytes", "Size of a core file.", "0"),
      cpu: limit("seconds", "Processor time.", "60s"),
      as: limit("bytes", "Address space.", "1G"),
      data: limit("bytes", "Data segment.", "512M"),
      stack: limit("bytes", "Stack.", "8M:HARD"),
      fsize: limit("bytes", "Size of a written file.", "100M"),
      memlock: limit("bytes", "Locked memory.", "64K"),
    },
    {
      description:
        'Resource limits: "SOFT:HARD", or one value for both. `HARD` is the hard limit that the daemon was started with.',
      example: { nofile: "4096:HARD", core: "0" },
      alsoCalled: ["rlimit", "rlimits", "ulimit"],
    },
  ),
  capabilities: optional(list(capability, "a capability"), {
    description: "Capabilities that the handler keeps although it is not root (ambient ones).",
    example: ["CAP_NET_BIND_SERVICE"],
    alsoCalled: ["ambient_capabilities"],
  }),
  no_new_privileges: optional(boolean, {
    description: "Whether set-user-id programs and file capabilities are without effect in the handler.",
    defaultText: 'true, unless `user` is "root"',
    example: false,
  }),
  cgroup: table(
    {
      memory_max: optional(size(4096), { description: "memory.max.", example: "512M" }),
      memory_high: optional(size(4096), { description: "memory.high.", example: "400M" }),
      pids_max: optional(integer(1), { description: "pids.max.", example: 100 }),
      cpu_max: optional(processorShare, {
        description: "cpu.max, as a share of one processor.",
        example: "50%",
      }),
      io_weight: optional(integer(1, 10_000), { description: "io.weight.", example: 50 }),
    },
    {
      description:
        "Limits of a cgroup of the service's own. They need a delegated cgroup v2 subtree with that controller.",
      example: { memory_max: "512M", pids_max: 100 },
    },
  ),
  stderr: key(stderr, {
    description:
      "Where standard error goes: the daemon's own, the log, nowhere, the connection, or a file (appended to).",
    default: "inherit",
    example: "log",
    alsoCalled: ["standard_error"],
  }),
  log: key(words("all", "failures", "none"), {
    description: "Which events of the service are logged.",
    default: "all",
    example: "failures",
    alsoCalled: ["log_type", "log_on_success"],
  }),
};
