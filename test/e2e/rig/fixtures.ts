/** The programs that tests start as handlers: compiled once, then copied to where any user may run them. */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root. */
export const repository = fileURLToPath(new URL("../../..", import.meta.url));

const sources = fileURLToPath(new URL("../fixtures", import.meta.url));
const compiled = join(repository, "build", "fixtures");

/** C fixtures and the sources each is made of, its name's first. */
const programs = {
  handler: ["handler.c", "report.c", "report.h"],
  acceptor: ["acceptor.c", "report.c", "report.h"],
  datagrams: ["datagrams.c"],
  brood: ["brood.c"],
  without: ["without.c"],
} as const satisfies Record<string, readonly string[]>;

export type FixtureName = keyof typeof programs;

/**
 * Puts a fixture into `directory` and returns its path. A copy, because the checkout may lie below a directory that
 * the handler's user may not enter.
 */
export function installFixture(name: FixtureName, directory: string): string {
  const path = join(directory, name);
  copyFileSync(compileFixture(name), path);
  chmodSync(path, 0o755);
  return path;
}

/** Compiles a fixture unless that was done since its sources changed. Static: it must also run in a chroot. */
function compileFixture(name: FixtureName): string {
  const program = join(compiled, name);
  const files = programs[name].map((file) => join(sources, file));
  if (files.every((file) => modifiedAt(file) < modifiedAt(program))) return program;
  mkdirSync(compiled, { recursive: true });
  // Test files run in processes of their own, and two may get here at once: each renames a whole program into place.
  const temporary = `${program}.${process.pid}`;
  const units = files.filter((file) => file.endsWith(".c"));
  execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", temporary, ...units]);
  renameSync(temporary, program);
  return program;
}

/** In milliseconds; a file that is not there is older than all others. */
function modifiedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY;
}
