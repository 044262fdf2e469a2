/** How this very program was called, and how it is to be called again: as what part of an upgrade. */
import type { Fd } from "../../native/sys.ts";

export interface Program {
  /** The Node that runs it. */
  node: string;
  nodeOptions: readonly string[];
  /** As it was called: a symbolic link leads to whatever is installed by now. */
  file: string;
  argv: readonly string[];
  environment: Readonly<Record<string, string | undefined>>;
  workingDirectory: string;
}

/**
 * `check`: says whether it could go on with the state that it is given, and does nothing else. `take over`: goes on.
 * `go back`: goes on as well, because the one that was to do so could not.
 */
export type UpgradeRole = "check" | "take over" | "go back";

/** What a process is told that is started as a part of an upgrade. */
export interface UpgradeCall {
  role: UpgradeRole;
  /** Of the state (state-file.ts). */
  state: Fd;
  /** Of `go back`: what was wrong with the other. */
  reason: string;
}

/** Of globalThis: a function by which the new version says to its guard that there is no way back any more. */
export const settledKey = Symbol.for("tinetd.upgrade.settled");

const variable = "TINETD_UPGRADE";
const guardVariable = "TINETD_UPGRADE_GUARD";
/** In the environment the guard's text is in nobody's way; a command line is what people look at. */
const loadGuard = `--import=data:text/javascript,await(import(process.env.${guardVariable}))`;
const longestReason = 1_000;

export function formatCall({ role, state, reason }: UpgradeCall): string {
  return `${variable}=${role}:${state}:${reason.replaceAll("\0", " ").slice(0, longestReason)}`;
}

/** Takes it out of an environment. @returns the call, if it is one, and what is left for everybody else to see */
export function takeCall(environment: Program["environment"]): {
  call: UpgradeCall | null;
  environment: Program["environment"];
} {
  const { [variable]: text, [guardVariable]: _, ...rest } = environment;
  const parts = /^(check|take over|go back):(\d{1,9}):(.*)$/s.exec(text ?? "");
  if (parts === null) return { call: null, environment: rest };
  const [, role, state, reason = ""] = parts;
  return { call: { role: role as UpgradeRole, state: Number(state), reason }, environment: rest };
}

/**
 * What execve gets.
 * @param other a file instead of the one by which the program was called
 * @param guard the text of a module that is loaded ahead of it
 */
export function commandOf(
  { node, nodeOptions, file, argv, environment }: Program,
  call: UpgradeCall,
  other = file,
  guard?: string,
): { file: string; argv: string[]; environment: string[] } {
  const variables = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const options = nodeOptions.filter((option) => option !== loadGuard);
  if (guard !== undefined) {
    options.push(loadGuard);
    variables.push(`${guardVariable}=data:text/javascript;base64,${Buffer.from(guard).toString("base64")}`);
  }
  return {
    file: node,
    argv: [node, ...options, other, ...argv],
    environment: [...variables, formatCall(call)],
  };
}
