/** One service from a command line: `tinetd serve LISTEN... --KEY VALUE... -- COMMAND`. */
import { snakeToKebab } from "../util/case.ts";
import type { Result } from "../util/result.ts";
import { type Availability, notAvailable } from "./availability.ts";
import type { Config } from "./config.ts";
import { parseTomlValue } from "./file.ts";
import type { Located } from "./located.ts";
import { type Problem, wholeFile } from "./problem.ts";
import { serviceTable } from "./schema/index.ts";
import { type KeyTable, rowsOf, tableType } from "./schema/key.ts";
import { verifyConfig } from "./verify.ts";

/** An option of `serve`: a key of a service in kebab case. */
export interface ServiceOption {
  /** As in a file: `stop_timeout`. */
  key: string;
  /** `--stop-timeout`; takes one value. */
  flag: string;
  description: string;
}

const { listen: _listen, command: _command, ...optionTable } = serviceTable;
const rows: KeyTable = optionTable;

const missing: ReadonlySet<string> = new Set(Object.values(notAvailable.service).flat());

/** Every service key but those that have a place of their own on the command line. */
export const serviceOptions: readonly ServiceOption[] = [...rowsOf(rows).values()].map(({ key, row }) => ({
  key,
  flag: optionFlag(key),
  description: missing.has(key) ? `${row.description} Not available yet.` : row.description,
}));

export interface ServiceRequest {
  /** Addresses, as `listen` takes them. */
  listen: readonly string[];
  /** Texts by key as in a file. */
  values: Readonly<Record<string, string>>;
  /** Empty for a built-in. */
  command: readonly string[];
}

/** Where the problems of a command line are. */
const commandLine = "command line";

/** A configuration of one service, which is named after its program; or what is wrong with the options. */
export function serviceFromOptions(
  request: ServiceRequest,
  world: { uid: number; availability?: Availability },
): Result<Config, Problem[]> {
  const values: Record<string, unknown> = { listen: [...request.listen] };
  if (request.command.length > 0) values.command = [...request.command];
  for (const [key, text] of Object.entries(request.values)) values[key] = readValue(key, text);
  const service = { name: nameOf(request), table: onCommandLine(values) };
  const source = { files: [], daemon: null, defaults: null, services: [service], problems: [] };
  const result = verifyConfig(commandLine, source, {
    uid: world.uid,
    availability: world.availability ?? notAvailable,
    write: (key, value) => `${optionFlag(key)} ${value}`,
  });
  return result.ok ? result : { ok: false, error: result.error.map(spelledAsOption) };
}

function optionFlag(key: string): string {
  return `--${snakeToKebab(key)}`;
}

/**
 * The text itself, if the key takes it; else the TOML value that it spells. A text that looks like a table or a list
 * is taken for one first. If the key takes neither, the check says why, of the TOML value.
 */
function readValue(key: string, text: string): unknown {
  const type = rowsOf(rows).get(key);
  const toml = parseTomlValue(text);
  if (type === undefined || toml === null || toml.value === text) return text;
  const candidates = /^[[{]/.test(text) ? [toml.value, text] : [text, toml.value];
  const { row } = type;
  const schema = row.fields === null ? row.type : tableType(row.fields);
  const taken = candidates.find((candidate) => schema.safeParse(candidate).success);
  return taken ?? toml.value;
}

function nameOf({ command, values }: ServiceRequest): string {
  const program = (command[0] ?? values.builtin ?? "").replace(/^.*\//, "").replace(/[^A-Za-z0-9_.-]/g, "");
  return /^[A-Za-z0-9_]/.test(program) ? program.slice(0, 64) : "service";
}

function onCommandLine(values: Record<string, unknown>): Located {
  return { values, at: () => wholeFile(commandLine), keyPositions: () => ({}) };
}

/** Keys are called as they were typed. */
function spelledAsOption(problem: Problem): Problem {
  const key = problem.key?.split(".")[0];
  if (key === undefined || key === "listen" || key === "command" || !problem.message.startsWith(key))
    return problem;
  return { ...problem, message: optionFlag(key) + problem.message.slice(key.length) };
}
