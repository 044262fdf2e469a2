/** The `ConfigReader` of the real file system. */
import { closeSync, fstatSync, openSync, readdirSync, readFileSync } from "node:fs";
import type { ConfigReader } from "./read.ts";

export const diskReader: ConfigReader = {
  read(path) {
    // Owner and mode are those of the file that is read, whatever its name points to by then.
    const fd = openSync(path, "r");
    try {
      const { uid, mode } = fstatSync(fd);
      return { text: decode(readFileSync(fd)), uid, mode };
    } finally {
      closeSync(fd);
    }
  },
  list(path) {
    try {
      return readdirSync(path);
    } catch (error) {
      if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
        return null;
      throw error;
    }
  },
};

/** A byte order mark is left out. Throws on what is not UTF-8, which TOML is. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("it is not UTF-8");
  }
}
