/** Completion in the shells themselves: what they offer for a line that somebody has begun. */
import { execFile } from "node:child_process";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { startDaemon } from "../rig/daemon.ts";
import { needs, pathOf, program } from "../rig/needs.ts";
import { asNobody, type Folder, main, makeFolder, tinetd } from "./tinetd.ts";

/** A script that prints, one a line, what the shell offers for the words in its arguments. */
const askers = {
  bash: (script: string) => `
source ${script}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_tinetd
printf '%s\\n' "\${COMPREPLY[@]}"`,
  // complete -C completes a line as the shell would.
  fish: (script: string) => `
source ${script}
complete -C "$argv" | string replace -r '\\t.*' ''
true`,
  // zsh completes only at its own prompt: in a terminal, where TAB lists what there is.
  zsh: (script: string) => `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "stty cols 400 -echo; PROMPT= RPROMPT=; unsetopt zle_bracketed_paste prompt_sp; PATH=$PATH; autoload -Uz compinit; compinit -u -D; source ${script}; bindkey '^I' list-choices; bindkey -s '^X' '^Uecho d''one^M'; zstyle ':completion:*' verbose no; zstyle ':completion:*' list-colors ''; LISTMAX=10000; echo re''ady"
while zpty -r z line; do [[ $line == *ready* ]] && break; done
zpty -w -n z "$*"$'\\t\\030'
while zpty -r z line; do [[ $line == *done* ]] && break; print -r -- "$line"; done
zpty -d z`,
} as const;

type Shell = keyof typeof askers;

async function offers(shell: Shell, folder: Folder, ...line: string[]): Promise<string[]> {
  const program = folder.write("tinetd", `#!/bin/sh\nexec ${process.execPath} ${main} "$@"\n`);
  chmodSync(program, 0o755);
  const script = folder.write(`completion.${shell}`, (await tinetd(["completion", shell])).stdout);
  const asker = folder.write(`asker.${shell}`, askers[shell](script));
  const env = {
    PATH: `${folder.path}:${process.env.PATH}`,
    TERM: "xterm",
    HOME: folder.path,
    LC_ALL: "C.UTF-8",
  };
  const flags = shell === "zsh" ? ["-f"] : shell === "fish" ? ["--no-config"] : [];
  const { stdout } = await promisify(execFile)(pathOf(shell), [...flags, asker, "tinetd", ...line], { env });
  const printable = stdout.replace(/\u001b\[[?0-9;]*[A-Za-z]/g, "");
  return printable.split(/\s+/).filter((word) => word !== "");
}

for (const shell of ["bash", "fish", "zsh"] as const) {
  describe(shell, () => {
    const it = needs(program(shell));

    it("commands, options and their values", async () => {
      using folder = makeFolder();
      expect(await offers(shell, folder, "st")).toEqual(expect.arrayContaining(["start", "status", "stop"]));
      expect(await offers(shell, folder, "stop", "--")).toEqual(
        expect.arrayContaining(["--drain", "--config"]),
      );
      expect(await offers(shell, folder, "run", "--log-format", "")).toEqual(
        expect.arrayContaining(["json", "pretty"]),
      );
      expect(await offers(shell, folder, "completion", "")).toEqual(
        expect.arrayContaining(["bash", "fish", "zsh"]),
      );
      expect((await offers(shell, folder, "")).join(" ")).not.toContain("__");
    });

    it("services: of the daemon that the line names, or of the configuration if none runs", async () => {
      using folder = makeFolder();
      await using rig = await startDaemon(
        '[services.running-one]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n[services.running-two]\nlisten = "127.0.0.1:0"\ncommand = "cat"',
      );
      const named = ["--control-socket", rig.controlSocket];
      expect(await offers(shell, folder, "stop", ...named, "")).toEqual(
        expect.arrayContaining(["running-one", "running-two"]),
      );
      const config = folder.write(
        "inetd.toml",
        `[services.declared]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n${asNobody}[services.other]\nlisten = "127.0.0.1:0"\ncommand = "cat"\n${asNobody}[daemon]\ncontrol_socket = "${join(folder.path, "c.sock")}"\n`,
      );
      expect(await offers(shell, folder, "status", "-c", config, "")).toEqual(
        expect.arrayContaining(["declared", "other"]),
      );
    });
  });
}

test("an unknown shell is wrong usage that names the others", async () => {
  const { code, stderr } = await tinetd(["completion", "tcsh"]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^tinetd: .*'tcsh' is invalid.*bash, zsh, fish.*\n$/);
});
