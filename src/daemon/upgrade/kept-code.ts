/**
 * A copy of the program that runs, in memory: an upgrade that fails after its exec goes back to it, even where a package
 * manager has put the new files in the place of the old ones. Possible since the program is one file (scripts/build-main).
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Carry } from "../../native/carry.ts";
import type { Fd, Sys } from "../../native/sys.ts";

/** Two sealed files, and two texts: package.json, and the guard (guard.ts). */
export interface KeptCode {
  main: Fd;
  addon: Fd;
  manifest: string;
  guard: string;
}

/** Set by the build; absent where the sources are run as they are. */
declare const IS_ONE_FILE: boolean | undefined;

const parts = { main: "dist/main.js", addon: "build/tinetd.node", manifest: "package.json" } as const;
const guard = "dist/guard.js";
const prefix = "tinetd-before-upgrade-";

/**
 * Takes the copy; its descriptors are the caller's.
 * @param main the file of the program, symbolic links resolved
 * @returns `null` where the sources are run as they are: then there is no way back from an upgrade
 */
export function keepCode(sys: Pick<Sys, "sealedFile">, main: string): KeptCode | null {
  if (typeof IS_ONE_FILE === "undefined") return null;
  const root = dirname(dirname(main));
  return {
    main: sys.sealedFile("tinetd-main", readFileSync(main)),
    addon: sys.sealedFile("tinetd-addon", readFileSync(join(root, parts.addon))),
    manifest: readFileSync(join(root, parts.manifest), "utf8"),
    guard: readFileSync(join(root, guard), "utf8"),
  };
}

export function carryCode({ main, addon, ...texts }: KeptCode, carry: Carry): KeptCode {
  return { main: carry(main), addon: carry(addon), ...texts };
}

/**
 * Writes the copy to files that only we can change.
 * @returns the path of its main file
 */
export function unpackCode({ main, addon, manifest, guard: text }: KeptCode): string {
  const root = mkdtempSync(join(tmpdir(), prefix));
  for (const part of Object.values(parts))
    mkdirSync(dirname(join(root, part)), { recursive: true, mode: 0o700 });
  writeFileSync(join(root, parts.main), readKept(main));
  writeFileSync(join(root, guard), text);
  writeFileSync(join(root, parts.addon), readKept(addon));
  writeFileSync(join(root, parts.manifest), manifest);
  chmodSync(join(root, parts.addon), 0o700);
  return join(root, parts.main);
}

/** All of it has been loaded: the files are not needed any more. */
export function removeUnpacked(main: string): void {
  const root = dirname(dirname(main));
  if (basename(root).startsWith(prefix)) rmSync(root, { recursive: true, force: true });
}

/** The position of the descriptor is shared with whoever has read it before. */
function readKept(fd: Fd): Buffer {
  return readFileSync(`/proc/self/fd/${fd}`);
}
