/** The environment of a handler, built from nothing: no variable of the daemon's own reaches it unless named. Pure. */
import { err, ok, type Result } from "../util/result.ts";

/** Where handlers look for programs, and where `command` is looked up. */
export const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface EnvironmentSources {
  service: string;
  user: { name: string; home: string; shell: string };
  /** What the handoff adds that is the same for every start. */
  handoff: readonly (readonly [name: string, value: string])[];
  /** `pass_environment`: those of the daemon's own that exist. */
  passed: readonly (readonly [name: string, value: string])[];
  /** The files of `environment_file`, parsed, in order. */
  files: readonly (readonly (readonly [name: string, value: string])[])[];
  /** The key `environment`. */
  declared: Readonly<Record<string, string>>;
}

/** Later sources win, in the order of the contract. Each name appears once. */
export function buildEnvironment(sources: EnvironmentSources): Map<string, string> {
  const { user } = sources;
  const variables = new Map<string, string>([
    ["PATH", defaultPath],
    ["TINETD_SERVICE", sources.service],
    ["USER", user.name],
    ["HOME", user.home],
    ["LOGNAME", user.name],
    ["SHELL", user.shell],
  ]);
  for (const [name, value] of sources.handoff) variables.set(name, value);
  for (const name of chosen(sources)) variables.set(name[0], name[1]);
  return variables;
}

/** The names that the service itself sets: a variable of the connection does not override them. */
export function chosenNames(sources: EnvironmentSources): Set<string> {
  return new Set([...chosen(sources)].map(([name]) => name));
}

function* chosen(sources: EnvironmentSources): Generator<readonly [string, string]> {
  yield* sources.passed;
  for (const file of sources.files) yield* file;
  yield* Object.entries(sources.declared);
}

/**
 * The text of an `environment_file`: `NAME=value` lines, `#` and `;` comments, single or double quotes around a value,
 * a backslash before a quote, dollar, backtick or backslash in double quotes, and a backslash at the end of a line
 * (systemd.exec(5), EnvironmentFile=). Nothing is expanded.
 *
 * @returns the assignments, or the number (from 1) and the complaint of the first line that is none
 */
export function parseEnvironmentFile(
  text: string,
): Result<[string, string][], { line: number; message: string }> {
  const assignments: [string, string][] = [];
  const lines = text.split(/\r?\n/);
  for (let index = 0; index < lines.length; index++) {
    const number = index + 1;
    let line = (lines[index] ?? "").trimStart();
    if (line === "" || line.startsWith("#") || line.startsWith(";")) continue;
    while (line.endsWith("\\") && index + 1 < lines.length) {
      index += 1;
      line = line.slice(0, -1) + (lines[index] ?? "");
    }
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(line);
    if (match?.[1] === undefined || match[2] === undefined)
      return err({ line: number, message: "expected NAME=value" });
    const value = unquote(match[2].trim());
    if (value === null) return err({ line: number, message: "a quote is not closed" });
    assignments.push([match[1], value]);
  }
  return ok(assignments);
}

function unquote(value: string): string | null {
  const quote = value[0];
  if (quote !== '"' && quote !== "'") return value;
  if (value.length < 2 || !value.endsWith(quote)) return null;
  const inner = value.slice(1, -1);
  return quote === "'" ? inner : inner.replace(/\\(["$`\\])/g, "$1");
}
