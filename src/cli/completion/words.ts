/** What the completion scripts of all shells need to know of the table of commands. */
import type { CliArgument, CliOption, Command } from "../command.ts";

export interface Flag {
  /** `--config`, `-c`. */
  names: readonly string[];
  description: string;
  /** What stands behind it; `null`: nothing. */
  value: Value | null;
  repeatable: boolean;
}

export type Value =
  | { kind: "file" }
  | { kind: "words"; words: readonly string[] }
  /** Asked from `tinetd __candidates`. */
  | { kind: "candidates"; of: NonNullable<CliArgument["completes"]> }
  | { kind: "free" };

export interface Completed {
  name: string;
  summary: string;
  flags: readonly Flag[];
  argument: { name: string; value: Value; repeated: boolean } | null;
}

export function completedOf(command: Command): Completed {
  const [argument] = command.arguments ?? [];
  return {
    name: command.name,
    summary: command.summary,
    flags: [...(command.options ?? []).map(flagOf), helpFlag],
    argument:
      argument === undefined
        ? null
        : {
            name: argument.name.replace(/[^a-z]/g, ""),
            value: argumentValue(argument),
            repeated: argument.name.includes("..."),
          },
  };
}

const helpFlag: Flag = {
  names: ["--help", "-h"],
  description: "display help for command",
  value: null,
  repeatable: false,
};

function flagOf({ flags, description, choices, repeatable }: CliOption): Flag {
  const names = flags.split(/, */).map((flag) => flag.replace(/ .*/, ""));
  const value = / <(.*)>/.exec(flags)?.[1];
  return {
    names: names.toSorted((one, other) => other.length - one.length),
    description: description.replace(/\s+/g, " "),
    value: value === undefined ? null : optionValue(value, choices),
    repeatable: repeatable === true,
  };
}

function optionValue(name: string, choices: readonly string[] | undefined): Value {
  if (choices !== undefined) return { kind: "words", words: choices };
  return name === "file" || name === "path" ? { kind: "file" } : { kind: "free" };
}

function argumentValue({ completes, choices }: CliArgument): Value {
  if (choices !== undefined) return { kind: "words", words: choices };
  return completes === undefined ? { kind: "free" } : { kind: "candidates", of: completes };
}

/** In single quotes, as all three shells take it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
