/** Completion for zsh(1): zshcompsys(1), by _arguments and _describe. */
import type { Command } from "../command.ts";
import { type Completed, completedOf, type Flag, quoted, type Value } from "./words.ts";

export function zshScript(commands: readonly Command[]): string {
  const all = commands.map(completedOf);
  return `#compdef tinetd
# Completion of tinetd for zsh, made by: tinetd completion zsh

# The daemon that the line names, so that the right one is asked.
_tinetd_candidates() {
  local -a connection candidates
  local option
  for option in -c --config --control-socket; do
    [[ -n \${opt_args[$option]} ]] && connection+=($option \${(Q)opt_args[$option]})
  done
  candidates=(\${(f)"$(_call_program candidates $tinetd __candidates $1 \${(q)connection} 2>/dev/null)"})
  compadd -a candidates
}

_tinetd() {
  local tinetd=$words[1] context state state_descr line
  local -A opt_args
  local -a commands
  commands=(
${all.map(({ name, summary }) => `    ${quoted(`${name}:${summary.replaceAll(":", "\\:")}`)}`).join("\n")}
    'help:display help for command'
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
${all.map(commandCase).join("\n")}
    help) _describe command commands ;;
  esac
}

# Called as a function that was loaded by its name, or sourced.
if [[ $funcstack[1] == _tinetd ]]; then
  _tinetd "$@"
else
  compdef _tinetd tinetd
fi
`;
}

function commandCase({ name, flags, argument }: Completed): string {
  const specs = flags.map(flagSpec);
  if (argument !== null) {
    const count = argument.repeated ? "*" : "1";
    specs.push(quoted(`${count}:${argument.name}:${action(argument.value)}`));
  }
  return [
    `    ${name})`,
    "      _arguments \\",
    specs.map((spec) => `        ${spec}`).join(" \\\n"),
    "      ;;",
  ].join("\n");
}

/** `'(-c --config)'{-c,--config}'[description]:value:action'`; what is special in a description is escaped. */
function flagSpec({ names, description, value, repeatable }: Flag): string {
  const text = description.replace(/[\\[\]:]/g, (char) => `\\${char}`);
  const tail = quoted(`[${text}]${value === null ? "" : `:value:${action(value)}`}`);
  const others = repeatable ? "'*'" : quoted(`(${names.join(" ")})`);
  return `${others}${names.length > 1 ? `{${names.join(",")}}` : names[0]}${tail}`;
}

function action(value: Value): string {
  switch (value.kind) {
    case "file":
      return "_files";
    case "words":
      return `(${value.words.join(" ")})`;
    case "candidates":
      return `{_tinetd_candidates ${value.of}}`;
    case "free":
      return " ";
  }
}
