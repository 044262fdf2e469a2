/** Files to be carried to and fro, and the account that serves them. */

import { createHash, randomBytes } from "node:crypto";
import { chownSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Fills a new directory with files that show damage: empty, binary and larger than any buffer on the way. */
export function makeFiles(directory: string): void {
  mkdirSync(join(directory, "deeper"), { recursive: true });
  writeFileSync(join(directory, "empty"), "");
  writeFileSync(join(directory, "text"), "one\ntwo\r\nthree");
  writeFileSync(join(directory, "deeper", "binary"), randomBytes(3_000_000));
}

/** Every file below a directory with a digest of what is in it. */
export function digestsOf(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter(
    (name) => !name.split("/").includes(".git") && lstatSync(join(directory, name)).isFile(),
  );
  return Object.fromEntries(
    files.sort().map((name) => {
      const digest = createHash("sha256")
        .update(readFileSync(join(directory, name)))
        .digest("hex");
      return [name, digest];
    }),
  );
}

/** As root, gives a tree to the account that handlers of the rig run as; else it is ours, and so are they. */
export function giveToHandlers(path: string, { uid, gid }: { uid: number; gid: number }): void {
  if (process.getuid?.() !== 0) return;
  chownSync(path, uid, gid);
  if (!lstatSync(path).isDirectory()) return;
  for (const name of readdirSync(path)) giveToHandlers(join(path, name), { uid, gid });
}

/** nobody and nogroup of Debian (base-passwd). */
export const nobody = { uid: 65534, gid: 65534 };
