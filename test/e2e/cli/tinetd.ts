/** Runs the built `tinetd` as a person does: arguments in, exit code and text out. */
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { repository } from "../rig/fixtures.ts";

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** Added to PATH and a $RUNTIME_DIRECTORY in which no daemon runs. */
  environment?: Readonly<Record<string, string>>;
  /** A command in front of tinetd: what gives it another identity, or takes something from it. */
  launcher?: readonly string[];
  /** Default: the root directory. */
  workingDirectory?: string;
}

export const main = join(repository, "dist", "main.js");

/** Runs a command to its end. */
export async function tinetd(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const [file = "", ...words] = [...(options.launcher ?? []), process.execPath, main, ...args];
  const child = spawn(file, words, {
    cwd: options.workingDirectory ?? "/",
    env: { PATH: process.env.PATH, RUNTIME_DIRECTORY: "/nonexistent", ...options.environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

export interface Folder extends Disposable {
  readonly path: string;
  /** Writes a configuration that only its owner may change, and returns its path. */
  write(name: string, content: string): string;
}

/** A folder of the test's own. */
export function makeFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), "tinetd-cli-"));
  chmodSync(path, 0o755);
  return {
    path,
    write(name, content) {
      const file = join(path, name);
      writeFileSync(file, content, { mode: 0o600 });
      return file;
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** What a service must say when root runs it. */
export const asNobody = process.getuid?.() === 0 ? 'user = "nobody"\n' : "";
