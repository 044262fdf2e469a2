/** Reads the main file and what it includes into one set of tables. Nothing is checked here but the outer form. */
import { posix } from "node:path";
import { describe } from "../util/describe.ts";
import { globToRegExp, isGlob } from "../util/glob.ts";
import { nearest } from "../util/nearest.ts";
import { parseToml } from "./file.ts";
import { inner, isTable, type Located } from "./located.ts";
import { formatPosition, type Position, type Problem, wholeFile } from "./problem.ts";

/** The file system as the reader needs it. */
export interface ConfigReader {
  /** The text of a file with its owner and its mode bits. Throws a system error, or one that says what is wrong. */
  read(path: string): { text: string; uid: number; mode: number };
  /** The names in a directory, `null` if there is no such directory. Throws a system error. */
  list(path: string): string[] | null;
}

export interface ConfigSource {
  /** Absolute, in the order in which they were read. */
  files: string[];
  daemon: Located | null;
  defaults: Located | null;
  services: { name: string; table: Located }[];
  problems: Problem[];
}

interface Reading extends ConfigSource {
  reader: ConfigReader;
  uid: number;
  /** Where each service was declared. */
  declared: Map<string, Position>;
}

/**
 * An included file holds services and further includes; `[daemon]` and `[defaults]` belong in the main file, so that
 * a file that a package drops there cannot change what the others mean. A file that is included twice is read once.
 * @param path absolute
 * @param uid as whom the daemon runs: root reads only files that nobody else can write
 */
export function readConfig(path: string, reader: ConfigReader, uid: number): ConfigSource {
  const reading: Reading = {
    files: [],
    daemon: null,
    defaults: null,
    services: [],
    problems: [],
    reader,
    uid,
    declared: new Map(),
  };
  readFile(reading, path, [], wholeFile(path));
  const { files, daemon, defaults, services, problems } = reading;
  return { files, daemon, defaults, services, problems };
}

/** @param chain the files that led here; @param wantedAt where this one was asked for */
function readFile(reading: Reading, path: string, chain: readonly string[], wantedAt: Position): void {
  if (chain.includes(path)) {
    const circle = [...chain.slice(chain.indexOf(path)), path].join(" -> ");
    complain(reading, wantedAt, `files include each other: ${circle}`);
    return;
  }
  if (reading.files.includes(path)) return;
  const text = readText(reading, path, wantedAt);
  if (text === null) return;
  reading.files.push(path);
  const parsed = parseToml(path, text);
  if (!parsed.ok) {
    reading.problems.push(...parsed.error);
    return;
  }
  const { table, service, problems } = parsed.value;
  reading.problems.push(...problems);
  const isMain = chain.length === 0;
  for (const key of Object.keys(table.values)) {
    if (key === "services") takeServices(reading, table, service);
    else if (key === "include") takeIncludes(reading, table, path, [...chain, path]);
    else if (key !== "daemon" && key !== "defaults") unknownKey(reading, table, key);
    else if (!isMain) misplaced(reading, table, key, chain[0] ?? path);
    else reading[key] = takeTable(reading, table, key);
  }
}

function readText(reading: Reading, path: string, wantedAt: Position): string | null {
  try {
    const { text, uid, mode } = reading.reader.read(path);
    if (reading.uid === 0 && uid !== 0) {
      complain(
        reading,
        wholeFile(path),
        `the daemon is root, and this file belongs to uid ${uid}`,
        "chown it to root",
      );
    } else if (reading.uid === 0 && (mode & 0o022) !== 0) {
      complain(
        reading,
        wholeFile(path),
        "the daemon is root, and others may write this file",
        "chmod go-w it",
      );
    }
    return text;
  } catch (error) {
    complain(reading, wantedAt, `cannot read ${path}: ${reason(error)}`);
    return null;
  }
}

function takeServices(reading: Reading, table: Located, locateService: LocateService): void {
  const services = takeTable(reading, table, "services");
  for (const [name, values] of Object.entries(services?.values ?? {})) {
    if (!isTable(values)) {
      complain(
        reading,
        table.at(["services", name], "value"),
        `expected a table [services.${name}], not ${describe(values)}`,
      );
      continue;
    }
    const located = locateService(name, values);
    const position = located.at([], "key");
    const before = reading.declared.get(name);
    if (before !== undefined) {
      complain(reading, position, `service "${name}" is already declared in ${formatPosition(before)}`);
      continue;
    }
    reading.declared.set(name, position);
    reading.services.push({ name, table: located });
  }
}

type LocateService = (name: string, values: Record<string, unknown>) => Located;

function takeIncludes(reading: Reading, table: Located, from: string, chain: readonly string[]): void {
  const value = table.values.include;
  const patterns = Array.isArray(value) ? value : [value];
  for (const [index, pattern] of patterns.entries()) {
    const position = table.at(["include", String(index)], "value");
    if (typeof pattern !== "string") {
      complain(
        reading,
        position,
        `include: expected a path or a pattern such as "inetd.d/*.toml", not ${describe(pattern)}`,
      );
      continue;
    }
    for (const path of expand(reading, posix.resolve(posix.dirname(from), pattern), position)) {
      readFile(reading, path, chain, position);
    }
  }
}

/** The files that a pattern names, sorted. A pattern may match none; a name without pattern must be there. */
function expand(reading: Reading, pattern: string, position: Position): string[] {
  let paths = ["/"];
  for (const segment of pattern.split("/").slice(1)) {
    if (!isGlob(segment)) {
      paths = paths.map((path) => posix.join(path, segment));
      continue;
    }
    const matcher = globToRegExp(segment);
    paths = paths.flatMap((path) =>
      namesIn(reading, path, position)
        .filter((name) => matcher.test(name))
        .toSorted()
        .map((name) => posix.join(path, name)),
    );
  }
  return paths;
}

function namesIn(reading: Reading, path: string, position: Position): string[] {
  try {
    return reading.reader.list(path) ?? [];
  } catch (error) {
    complain(reading, position, `cannot list ${path}: ${reason(error)}`);
    return [];
  }
}

function takeTable(reading: Reading, table: Located, name: string): Located | null {
  const found = inner(table, name);
  if (found === null) {
    const value = describe(table.values[name]);
    complain(reading, table.at([name], "value"), `${name}: expected a table, not ${value}`);
  }
  return found;
}

function misplaced(reading: Reading, table: Located, key: string, main: string): void {
  const message = `[${key}] belongs in the main file ${main}: an included file holds services and further includes`;
  complain(reading, table.at([key], "key"), message);
}

function unknownKey(reading: Reading, table: Located, key: string): void {
  const near = nearest(key, ["include", "daemon", "defaults", "services"]);
  const hint = near === null ? "keys of a service stand under [services.NAME]" : `did you mean \`${near}\`?`;
  complain(reading, table.at([key], "key"), `unknown key "${key}" at the top of the file`, hint);
}

/** "no such file or directory" of Node's "ENOENT: no such file or directory, open '/x'". */
function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^[A-Z][A-Z0-9]+: /, "").replace(/, \w+(?: '.*')?$/s, "");
}

function complain(reading: Reading, position: Position, message: string, hint: string | null = null): void {
  reading.problems.push({ position, message, hint, service: null, key: null });
}
