/** Tests that need more than Node: root, or a program of the distribution. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "vitest";

/** The reason why something a test needs is not there, or `null` if it is. */
export type Need = () => string | null;

/** Needs a daemon that may change users. */
export const asRoot: Need = () => (process.getuid?.() === 0 ? null : "root");

/** Needs a program, by name or absolute path. */
export function program(name: string): Need {
  return () => (findProgram(name) === null ? name : null);
}

/** The absolute path of a program that a `needs` has asked for. */
export function pathOf(name: string): string {
  const path = findProgram(name);
  if (path === null) throw new Error(`${name} is not on this machine`);
  return path;
}

/**
 * `test` for what may be impossible here: then it says why and counts as skipped, or, where CI is set, as failed,
 * since there everything is to be installed (scripts/install-test-packages).
 */
export function needs(...all: readonly Need[]): (name: string, run: () => Promise<void>) => void {
  const missing = all.map((need) => need()).filter((reason) => reason !== null);
  if (missing.length === 0) return (name, run) => test(name, run);
  const reason = `needs ${missing.join(", ")}`;
  return (name) =>
    test(name, ({ skip }) => {
      if (process.env.CI) throw new Error(reason);
      process.stderr.write(`skipped: ${name}: ${reason}\n`);
      skip(reason);
    });
}

function findProgram(name: string): string | null {
  const folders = ["/usr/local/sbin", "/usr/sbin", "/sbin", ...(process.env.PATH ?? "").split(delimiter)];
  const candidates = name.startsWith("/") ? [name] : folders.map((folder) => join(folder, name));
  return candidates.find((path) => existsSync(path)) ?? null;
}
