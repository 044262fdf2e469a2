/** What a subcommand is: a row of the table in `program.ts`, from which parsing, `--help` and completion come. */
import type { Readable, Writable } from "node:stream";
import type { UpgradeCall } from "../daemon/upgrade/program.ts";
import type { Sys } from "../native/sys.ts";

/** Exit codes of every command (SPEC 2; 78 is EX_CONFIG of sysexits.h). */
export const exitCode = { done: 0, failed: 1, usage: 2, notRunning: 3, configuration: 78 } as const;

/** The world as `main.ts` hands it in: the only place where a command may look for it. */
export interface CliContext {
  environment: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };
  readonly stdout: Writable & { isTTY?: boolean; columns?: number; rows?: number };
  /** For a command's own failures; Node opens it on first use, and the daemon, which shares it, never does. */
  readonly stderr: Writable;
  readonly stderrIsTerminal: boolean;
  workingDirectory: string;
  /** How this very program was called: its file and its arguments; and its main file, symbolic links resolved. */
  program: { file: string; argv: readonly string[]; main: string };
  /** What it is started for as a part of an upgrade; `null` for everything else. */
  upgrade: UpgradeCall | null;
  /** Loads the addon on first use: `--help` must work where it was not built. */
  sys: () => Sys;
  version: string;
}

export interface CliOption {
  /** As commander writes them: `-c, --config <file>`. */
  flags: string;
  description: string;
  /** Value used when the option is absent; shown in `--help`. */
  defaultValue?: string | boolean;
  choices?: readonly string[];
  /** May be given several times; the values arrive as an array. */
  repeatable?: boolean;
}

export interface CliArgument {
  /** As commander writes them: `<service>`, `[service...]`. */
  name: string;
  description: string;
  /** What the shell completes it with: names of services, numbers of handlers and connections. */
  completes?: "service" | "handler";
  choices?: readonly string[];
}

/** Options by their long name in camel case, as commander gives them. */
export type OptionValues = Readonly<Record<string, string | boolean | string[] | undefined>>;

export interface Command {
  name: string;
  summary: string;
  /** Printed below the options in `--help`. */
  details?: string;
  arguments?: readonly CliArgument[];
  options?: readonly CliOption[];
  /** For programs: neither in the help nor in the docs. */
  hidden?: boolean;
  /** Resolves to the exit code. A `CommandFailure` thrown is printed as one line. */
  run(context: CliContext, positional: readonly string[], options: OptionValues): Promise<number>;
}

/** An expected failure of a command: one line on stderr, no stack trace. */
export class CommandFailure extends Error {
  readonly code: number;
  constructor(message: string, code: number = exitCode.failed) {
    super(message);
    this.name = "CommandFailure";
    this.code = code;
  }
}
