/** What the tests of upgrades share: an installation of their own, and the ways of asking for an upgrade. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { repository } from "../rig/fixtures.ts";
import { eventually } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";

/** A copy of the built program, to be replaced by other versions under a running daemon. */
export interface Installation extends Disposable {
  readonly main: string;
  /** Puts another version in its place, as a package manager does: a new file under the old name. */
  install(version: string, change?: (program: string) => string): void;
}

const parts = ["dist/main.js", "dist/guard.js", "build/tinetd.node", "package.json"];

export function installation(): Installation {
  const root = mkdtempSync(join(tmpdir(), "tinetd-installed-"));
  const original = (part: string) => join(repository, part);
  for (const folder of ["dist", "build"]) mkdirSync(join(root, folder));
  for (const part of parts) copyFileSync(original(part), join(root, part));
  const replace = (part: string, content: string) => {
    writeFileSync(join(root, `${part}.new`), content);
    renameSync(join(root, `${part}.new`), join(root, part));
  };
  return {
    main: join(root, "dist/main.js"),
    install(version, change = (program) => program) {
      const manifest = JSON.parse(readFileSync(original("package.json"), "utf8"));
      replace("package.json", JSON.stringify({ ...manifest, version }));
      replace("dist/main.js", change(readFileSync(original("dist/main.js"), "utf8")));
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Puts a statement before all others of a program. */
export function first(statement: string): (program: string) => string {
  return (program) => program.replace(/\n/, `\n${statement}\n`);
}

export interface Said {
  code: number;
  stdout: string;
  stderr: string;
}

/** `tinetd upgrade`, as it is installed with the tests. */
export async function runUpgrade(rig: Rig, ...options: string[]): Promise<Said> {
  const main = join(repository, "dist/main.js");
  const child = spawn(process.execPath, [main, "upgrade", "--control-socket", rig.controlSocket, ...options]);
  const [[code], stdout, stderr] = await Promise.all([
    once(child, "exit"),
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, stdout, stderr };
}

/**
 * Waits until the daemon has no more descriptors than it had. `before` may have been counted while it still had its own
 * copy of a connection whose handler had answered already: so there may be fewer.
 */
export async function noneLeftOver(rig: Rig, before: number): Promise<void> {
  await eventually(`at most ${before} descriptors`, () => rig.descriptors() <= before);
}
