/** Types for paths, users, signals, capabilities, variables and command lines. */
import { constants } from "node:os";
import { posix } from "node:path";
import { z } from "zod";
import { err, ok } from "../../../util/result.ts";
import { splitWords } from "../../../util/words.ts";
import { checkedText, parsed, type Refusal, text, unknownWord } from "./basic.ts";
import { textOrInteger } from "./quantities.ts";

/** An absolute path, without `..`, doubled slashes and a slash at its end. */
export const absolutePath: z.ZodType<string> = parsed<string, string>(
  text("an absolute path"),
  (input) => (input.startsWith("/") ? ok(withoutEndSlash(posix.normalize(input))) : err(notAbsolute(input))),
  (value) => value,
);

/** systemd's convention: a leading `-` means that the file may be absent. */
export const optionalFile: z.ZodType<string> = checkedText(
  "an absolute path, with - before it if it may be absent",
  (input) => (/^-?\//.test(input) ? null : notAbsolute(input)),
);

export function notAbsolute(input: string): Refusal {
  return {
    message: "expected an absolute path",
    hint: /^[~$]/.test(input) ? "~ and $ are not expanded here" : null,
  };
}

function withoutEndSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

/** A name or a number, as the user database has it; kept as a text. */
export function account(what: "user" | "group"): z.ZodType<string> {
  const expected = `expected the name or number of a ${what}`;
  return parsed<string | number, string>(
    textOrInteger(expected),
    (input) =>
      /^[^\s:/\0-\x1f-][^:/\0-\x1f]*$/.test(String(input)) ? ok(String(input)) : err({ message: expected }),
    (value) => value,
  );
}

const signalNames = Object.keys(constants.signals);

/** A signal that asks a process to end; "TERM" may be written for "SIGTERM". */
export const stopSignal: z.ZodType<string> = parsed<string, string>(
  z.string({ error: () => 'expected the name of a signal such as "SIGTERM"' }),
  (input) => {
    const name = input.startsWith("SIG") ? input : `SIG${input}`;
    if (!signalNames.includes(name))
      return err(unknownWord(name, 'the name of a signal such as "SIGTERM"', signalNames));
    if (["SIGSTOP", "SIGTSTP", "SIGCONT", "SIGCHLD"].includes(name))
      return err({ message: `${name} ends no process` });
    return ok(name);
  },
  (value) => value,
);

/** capabilities(7), in the order of their numbers. */
export const capabilityNames = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
];

/** "net_bind_service" may be written for "CAP_NET_BIND_SERVICE". */
export const capability: z.ZodType<string> = parsed<string, string>(
  z.string({ error: () => 'expected a capability such as "CAP_NET_BIND_SERVICE"' }),
  (input) => {
    const upper = input.toUpperCase();
    const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    return capabilityNames.includes(name)
      ? ok(name)
      : err(unknownWord(name, 'a capability such as "CAP_NET_BIND_SERVICE"', capabilityNames));
  },
  (value) => value,
);

/** Of an environment variable: anything but empty, `=` and control characters. */
export function checkVariableName(name: string): Refusal | null {
  return /^[^=\0-\x1f\x7f]+$/.test(name)
    ? null
    : { message: `${JSON.stringify(name)} cannot be the name of a variable` };
}

export const variableName: z.ZodType<string> = checkedText("the name of a variable", checkVariableName);

/** Numbers and booleans are written out, as a shell would have them. */
export const variableValue: z.ZodType<string> = parsed<string | number | boolean, string>(
  z.union([text(), z.number(), z.boolean()], { error: () => "expected a text, a number or a boolean" }),
  (input) => ok(String(input)),
  (value) => value,
);

/** A list of words; a text is split as a shell does it. The program is a path that says where it begins, or a name. */
export const command: z.ZodType<string[]> = parsed<string | string[], string[]>(
  z.union([text(), z.array(text("a word of the command"))], {
    error: () => "expected a program with its arguments, as a list or as one text",
  }),
  (input) => {
    const split = typeof input === "string" ? splitWords(input) : ok(input);
    if (!split.ok) return err({ message: `${split.error}: ${JSON.stringify(input)}` });
    const program = split.value[0] ?? "";
    if (program === "") return err({ message: "expected a program" });
    if (program.includes("/") && !/^\.{0,2}\//.test(program)) {
      return err({
        message: `the program ${JSON.stringify(program)} must be an absolute path, a path that begins with ./, or a name to find along PATH`,
      });
    }
    return ok(split.value);
  },
  (value) => value,
);
