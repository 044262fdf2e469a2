/** The way from argv to a command of the table. */
import { Argument, CommanderError, Option, Command as Parser } from "commander";
import { type CliContext, type Command, CommandFailure, exitCode, type OptionValues } from "./command.ts";
import { commands, loadCommands } from "./commands.ts";

/** Resolves to the exit code; nothing is thrown but bugs. */
export async function runProgram(argv: readonly string[], context: CliContext): Promise<number> {
  try {
    return await dispatch(argv, context);
  } catch (error) {
    if (error instanceof CommandFailure) {
      context.stderr.write(`tinetd: ${error.message}\n`);
      return error.code;
    }
    // Commander has already said what is wrong, or printed the help or version that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.done : exitCode.usage;
    throw error;
  }
}

async function dispatch(argv: readonly string[], context: CliContext): Promise<number> {
  const load = argv[0] === undefined ? undefined : commands[argv[0]];
  // Only help and a wrong name need to know all commands.
  const loaded = load === undefined ? await loadCommands() : [await load()];
  let code: number = exitCode.done;
  const program = output(new Parser("tinetd"), context)
    .description("A socket-activation super-server for Linux.")
    .version(context.version, "-V, --version")
    .showSuggestionAfterError()
    .enablePositionalOptions();
  for (const command of loaded) {
    program.addCommand(
      parserOf(command, context, async (positional, options) => {
        code = await command.run(context, positional, options);
      }),
      { hidden: command.hidden === true },
    );
  }
  await program.parseAsync([...argv], { from: "user" });
  return code;
}

function parserOf(
  command: Command,
  context: CliContext,
  action: (positional: string[], options: OptionValues) => Promise<void>,
): Parser {
  const parser = output(new Parser(command.name), context).description(command.summary);
  for (const { name, description, choices } of command.arguments ?? []) {
    const argument = new Argument(name, description);
    parser.addArgument(choices === undefined ? argument : argument.choices(choices));
  }
  for (const each of command.options ?? []) {
    const option = new Option(each.flags, each.description);
    if (each.defaultValue !== undefined) option.default(each.defaultValue);
    if (each.choices !== undefined) option.choices(each.choices);
    if (each.repeatable === true) option.argParser((value: string, seen: string[] = []) => [...seen, value]);
    parser.addOption(option);
  }
  if (command.details !== undefined) parser.addHelpText("after", `\n${command.details}`);
  return parser.allowExcessArguments(false).action(() => action(parser.args, parser.opts()));
}

/** The streams are asked for when there is something to write: a daemon never opens them. */
function output(parser: Parser, context: CliContext): Parser {
  return parser.exitOverride().configureOutput({
    writeOut: (text) => context.stdout.write(text),
    writeErr: (text) => context.stderr.write(text),
    outputError: (text, write) => write(text.replace(/^error: /, "tinetd: ")),
  });
}
