/** Where the programs of a benchmark are: our own, compiled from `bench/c`, and other people's. */
import { execFile } from "node:child_process";
import { accessSync, constants, mkdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const repository = dirname(dirname(fileURLToPath(import.meta.url)));

/** Where `scripts/install-test-packages` unpacks the super-servers that cannot be installed beside each other. */
const unpackedPeers = join(repository, "build", "peers");

/** The built daemon. */
export const tinetdMain = join(repository, "dist", "main.js");

/**
 * Compiles `bench/c/NAME.c` and returns the program's path.
 * @param flags further flags of the compiler, such as `-static`
 */
export async function compile(name: string, flags: readonly string[] = []): Promise<string> {
  const directory = join(repository, "build", "bench");
  mkdirSync(directory, { recursive: true });
  const program = join(directory, name);
  const source = join(repository, "bench", "c", `${name}.c`);
  await run("cc", ["-O2", "-Wall", "-Wextra", "-Werror", ...flags, "-o", program, source]);
  return program;
}

/**
 * The absolute path of an installed or unpacked program, or `null`.
 * @param unpacked its path below the folder of unpacked packages, such as `xinetd/usr/sbin/xinetd`
 */
export function findProgram(name: string, unpacked?: string): string | null {
  const folders = ["/usr/local/sbin", "/usr/sbin", "/sbin", ...(process.env.PATH ?? "").split(delimiter)];
  const candidates = folders.map((folder) => join(folder, name));
  if (unpacked !== undefined) candidates.unshift(join(unpackedPeers, unpacked));
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
