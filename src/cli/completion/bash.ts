/** Completion for bash(1): "Programmable Completion". */
import type { Command } from "../command.ts";
import { type Completed, completedOf, quoted, type Value } from "./words.ts";

export function bashScript(commands: readonly Command[]): string {
  const all = commands.map(completedOf);
  const names = all.map(({ name }) => name).join(" ");
  return `# Completion of tinetd for bash, made by: tinetd completion bash

# The daemon that the line names, so that the right one is asked.
_tinetd_candidates() {
  local -a connection=()
  local i
  for ((i = 2; i < COMP_CWORD - 1; i++)); do
    case \${COMP_WORDS[i]} in
      -c | --config | --control-socket) connection+=("\${COMP_WORDS[i]}" "\${COMP_WORDS[i + 1]}") ;;
    esac
  done
  "\${COMP_WORDS[0]}" __candidates "$1" "\${connection[@]}" 2>/dev/null
}

_tinetd_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
}

_tinetd_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

_tinetd() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _tinetd_words ${quoted(`${names} help --help --version`)}
    return
  fi
  case \${COMP_WORDS[1]} in
${all.map(commandCase).join("\n")}
    help) _tinetd_words ${quoted(names)} ;;
  esac
}

complete -F _tinetd tinetd
`;
}

function commandCase({ name, flags, argument }: Completed): string {
  const flagsByAction = new Map<string, string[]>();
  for (const { names, value } of flags) {
    if (value === null) continue;
    const what = action(value);
    flagsByAction.set(what, [...(flagsByAction.get(what) ?? []), ...names]);
  }
  const allFlags = flags.flatMap(({ names }) => names).join(" ");
  const lines = [
    ...[...flagsByAction].map(([what, names]) => `${names.join(" | ")}) ${what}; return ;;`),
    ...[`esac`, `case $current in`],
    `-*) _tinetd_words ${quoted(allFlags)} ;;`,
    ...(argument === null ? [] : [`*) ${action(argument.value)} ;;`]),
  ];
  const body = lines.map((line) => (/^(esac|case)/.test(line) ? `      ${line}` : `        ${line}`));
  return [`    ${name})`, "      case $previous in", ...body, "      esac", "      ;;"].join("\n");
}

function action(value: Value): string {
  switch (value.kind) {
    case "file":
      return "_tinetd_files";
    case "words":
      return `_tinetd_words ${quoted(value.words.join(" "))}`;
    case "candidates":
      return `_tinetd_words "$(_tinetd_candidates ${value.of})"`;
    case "free":
      return ":";
  }
}
