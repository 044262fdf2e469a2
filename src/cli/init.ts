/** `tinetd init`: a commented inetd.toml to start from. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Command, CommandFailure, exitCode } from "./command.ts";
import { ownUid } from "./configuration.ts";

/** The file that `npm start` runs: a start that is run every day stays right. Beside `src` and `dist`, where `main` is. */
const starterOf = (main: string) => join(dirname(main), "../conf/inetd.toml");

export const init: Command = {
  name: "init",
  summary: "write a commented inetd.toml to start from",
  details: "An existing file is never overwritten.",
  options: [
    {
      flags: "-o, --output <file>",
      description: "where to write it; - is standard output",
      defaultValue: "inetd.toml",
    },
  ],
  async run(context, _positional, options) {
    const text = starterText(readFileSync(starterOf(context.program.main), "utf8"), ownUid() === 0);
    const output = String(options.output ?? "inetd.toml");
    if (output === "-") {
      context.stdout.write(text);
      return exitCode.done;
    }
    const path = resolve(context.workingDirectory, output);
    try {
      // As root a configuration that others may write is refused, whatever the umask was.
      writeFileSync(path, text, { flag: "wx", mode: 0o644 });
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : String(error);
      throw new CommandFailure(
        code === "EEXIST" ? `${path} is there already, and stays as it is` : `cannot write ${path}: ${code}`,
      );
    }
    context.stdout.write(
      `${path} is written; next: tinetd check -c ${output}, then tinetd run -c ${output}\n`,
    );
    return exitCode.done;
  },
};

/** What root runs needs a `user`: the line that says so is a comment for everybody else. */
export function starterText(text: string, isRoot: boolean): string {
  return isRoot ? text.replace(/^# (\[defaults\]|user = "nobody")/gm, "$1") : text;
}
