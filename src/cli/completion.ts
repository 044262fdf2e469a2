/** `tinetd completion SHELL`: a script for the shell, made from the table of commands. */
import { type Command, exitCode } from "./command.ts";
import { loadCommands } from "./commands.ts";
import { bashScript } from "./completion/bash.ts";
import { fishScript } from "./completion/fish.ts";
import { zshScript } from "./completion/zsh.ts";

const shells = { bash: bashScript, zsh: zshScript, fish: fishScript };
type Shell = keyof typeof shells;

export const completion: Command = {
  name: "completion",
  summary: "print a completion script for a shell",
  details:
    "Names of services are asked from the daemon, or read from the configuration if none runs. To install it:\n" +
    "  bash  tinetd completion bash > /etc/bash_completion.d/tinetd\n" +
    "  zsh   tinetd completion zsh > /usr/local/share/zsh/site-functions/_tinetd\n" +
    "  fish  tinetd completion fish > /etc/fish/completions/tinetd.fish",
  arguments: [{ name: "<shell>", description: "which one", choices: Object.keys(shells) }],
  async run(context, [shell]) {
    const visible = (await loadCommands()).filter(({ hidden }) => hidden !== true);
    context.stdout.write(shells[shell as Shell](visible));
    return exitCode.done;
  },
};
