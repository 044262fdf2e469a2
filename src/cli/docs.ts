/** docs/commands.md, made from the table of commands, so that it says what `--help` says. */
import { type CliOption, type Command, exitCode } from "./command.ts";

export function commandsMarkdown(commands: readonly Command[]): string {
  const shown = commands.filter(({ hidden }) => hidden !== true);
  return [
    `# Commands\n\n${intro}`,
    table(
      ["command", ""],
      shown.map(({ name, summary }) => [`[\`tinetd ${name}\`](#tinetd-${name})`, cell(summary)]),
    ),
    `## Exit codes\n\n${exitCodes}`,
    ...shown.map(section),
  ]
    .join("\n\n")
    .concat("\n");
}

const intro = `Made by \`npx tsx scripts/write-reference.ts\` from the table in \`src/cli/commands.ts\`; a test checks that it is current.
Each command has this as \`--help\`, too. A command that fails says why in one line on stderr. Commands that list things
print a table that fits the terminal; in a pipe nothing is cut, and with \`--json\` they print what the control socket
answers. Colours are used on a terminal only, and never if \`NO_COLOR\` is set.

Commands that talk to the daemon look for its control socket in the configuration, or else at the usual place; whoever
may not call it is told so. Members of \`daemon.status_group\` may look, those of \`daemon.control_group\` may do everything.`;

const exitCodes = table(
  ["code", "meaning"],
  [
    [`${exitCode.done}`, "done"],
    [`${exitCode.failed}`, "it failed"],
    [`${exitCode.usage}`, "wrong usage"],
    [`${exitCode.notRunning}`, "the daemon is not running"],
    [`${exitCode.configuration}`, "the configuration is invalid"],
  ],
);

function section({ name, summary, details, arguments: args = [], options = [] }: Command): string {
  const usage = ["tinetd", name, "[options]", ...args.map((argument) => argument.name)].join(" ");
  const rows = [
    ...args.map((argument) => [`\`${argument.name}\``, cell(argument.description)]),
    ...options.map((option) => [`\`${option.flags}\``, cell(optionText(option))]),
  ];
  const parts = [`## tinetd ${name}\n\n    ${usage}`, `${sentence(summary)}`];
  if (details !== undefined) parts.push(detailsText(details));
  if (rows.length > 0) parts.push(table(["", ""], rows));
  return parts.join("\n\n");
}

function optionText({ description, choices, defaultValue }: CliOption): string {
  const extras = [
    choices === undefined ? null : `one of ${choices.join(", ")}`,
    defaultValue === undefined ? null : `default: ${defaultValue}`,
  ].filter((extra) => extra !== null);
  return extras.length === 0 ? description : `${description} (${extras.join("; ")})`;
}

/** Lines that are indented stand as they are. */
function detailsText(details: string): string {
  return details
    .replace(/(?:^ {2}.*\n?)+/gm, (block) => `\n${block.replace(/^/gm, "  ").trimEnd()}\n`)
    .trimEnd();
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
