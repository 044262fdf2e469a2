/** Configurations from memory: a `ConfigReader` without a disk, and the problems of a text as the lines that people see. */
import type { Availability } from "../../../src/config/availability.ts";
import { everythingAvailable } from "../../../src/config/availability.ts";
import type { Config, Problem, ServiceConfig } from "../../../src/config/config.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { formatProblem } from "../../../src/config/problem.ts";
import type { ConfigReader } from "../../../src/config/read.ts";
import type { Result } from "../../../src/util/result.ts";

export interface MemoryFile {
  text: string;
  uid?: number;
  mode?: number;
}

export interface MemoryWorld {
  uid?: number;
  availability?: Availability;
}

/** Files by absolute path; a directory is there if a file is in it. */
export function memoryReader(files: Readonly<Record<string, string | MemoryFile>>): ConfigReader {
  return {
    read(path) {
      const file = Object.hasOwn(files, path) ? files[path] : undefined;
      if (file === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
      const { text, uid = 0, mode = 0o100644 } = typeof file === "string" ? { text: file } : file;
      return { text, uid, mode };
    },
    list(path) {
      const folder = path === "/" ? "/" : `${path}/`;
      const names = Object.keys(files)
        .filter((name) => name.startsWith(folder))
        .map((name) => name.slice(folder.length).split("/")[0] ?? "");
      return names.length === 0 ? null : [...new Set(names)];
    },
  };
}

/** Loads `/t.toml` of these files; as an ordinary user, with everything available, unless told otherwise. */
export function load(
  files: string | Readonly<Record<string, string | MemoryFile>>,
  { uid = 1000, availability = everythingAvailable }: MemoryWorld = {},
): Result<Config, Problem[]> {
  const reader = memoryReader(typeof files === "string" ? { "/t.toml": files } : files);
  return loadConfig("t.toml", { reader, uid, workingDirectory: "/", availability });
}

/** What would be printed; empty if all is well. */
export function problemLines(...loading: Parameters<typeof load>): string[] {
  const result = load(...loading);
  return result.ok ? [] : result.error.map(formatProblem);
}

/** The configuration of a text that must be right. */
export function loadValid(...loading: Parameters<typeof load>): Config {
  const result = load(...loading);
  if (!result.ok) throw new Error(result.error.map(formatProblem).join("\n"));
  return result.value;
}

/** The service `s` of a text that must be right. */
export function service(text: string, world?: MemoryWorld): ServiceConfig {
  const found = loadValid(text, world).services.get("s");
  if (found === undefined) throw new Error("there is no service s");
  return found;
}
