/** Completion for fish(1): complete(1). */
import type { Command } from "../command.ts";
import { type Completed, completedOf, type Flag, type Value } from "./words.ts";

export function fishScript(commands: readonly Command[]): string {
  const all = commands.map(completedOf);
  return `# Completion of tinetd for fish, made by: tinetd completion fish

# The daemon that the line names, so that the right one is asked.
function __tinetd_candidates
    set -l words (commandline -opc)
    set -l connection
    for index in (seq 2 (count $words))
        contains -- $words[$index] -c --config --control-socket; and set -a connection $words[$index..(math $index + 1)]
    end
    $words[1] __candidates $argv[1] $connection 2>/dev/null
end

# The command comes first.
function __tinetd_command
    set -l words (commandline -opc)
    test (count $words) -ge 2; and contains -- $words[2] $argv
end

function __tinetd_no_command
    test (count (commandline -opc)) -eq 1
end

complete -c tinetd -f
${all.map(({ name, summary }) => `complete -c tinetd -n __tinetd_no_command -a ${name} -d ${quoted(summary)}`).join("\n")}
complete -c tinetd -n __tinetd_no_command -l version -s V -d 'output the version number'
complete -c tinetd -n __tinetd_no_command -a help -d 'display help for command'
complete -c tinetd -n '__tinetd_command help' -a ${quoted(all.map(({ name }) => name).join(" "))}
${all.flatMap(commandLines).join("\n")}
`;
}

function commandLines({ name, flags, argument }: Completed): string[] {
  const start = `complete -c tinetd -n '__tinetd_command ${name}'`;
  const lines = flags.map((flag) => `${start} ${flagWords(flag)}`);
  if (argument !== null && argument.value.kind !== "free")
    lines.push(`${start} ${valueWords(argument.value)}`);
  return lines;
}

function flagWords({ names, description, value }: Flag): string {
  const words = names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  if (value !== null) words.push(value.kind === "free" ? "-x" : `-r ${valueWords(value)}`);
  return [...words, `-d ${quoted(description)}`].join(" ");
}

function valueWords(value: Value): string {
  switch (value.kind) {
    case "file":
      return "-F";
    case "words":
      return `-f -a ${quoted(value.words.join(" "))}`;
    case "candidates":
      return `-f -a '(__tinetd_candidates ${value.of})'`;
    case "free":
      return "";
  }
}

/** fish knows two escapes within single quotes. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, (char) => `\\${char}`)}'`;
}
