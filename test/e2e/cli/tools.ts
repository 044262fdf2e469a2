/** What the tests of commands that talk to a daemon have in common. */
import type { Rig } from "../rig/rig.ts";
import { type Outcome, type RunOptions, tinetd } from "./tinetd.ts";

/** Runs a command against the daemon of the rig. */
export function on(rig: Rig, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return tinetd([...args, "--control-socket", rig.controlSocket], options);
}

/** What a command says that has done what it should and has nothing to tell. */
export const silent: Outcome = { code: 0, stdout: "", stderr: "" };

/** The fields of the line of a table that begins with a word, blanks left out. */
export function fieldsOf(table: string, first: string): string[] {
  const line = table.split("\n").find((each) => each.trimStart().startsWith(`${first} `));
  return line?.trim().split(/ +/) ?? [];
}
