/** The one door to the TOML package: a text becomes tables with positions, or the errors of its syntax. */
import compiler from "toml/lib/compiler.js";
import parser, { type Statement, type ValueNode } from "toml/lib/parser.js";
import { err, ok, type Result } from "../util/result.ts";
import { type Located, locate, positionsIn, type Spot } from "./located.ts";
import type { Position, Problem } from "./problem.ts";
import { explainSyntax } from "./syntax.ts";

/** After so many keys that are set twice, the rest of a file is not looked at. */
const mostDuplicates = 20;

export interface TomlFile {
  /** The text without statements that define something twice. */
  table: Located;
  /** The service tables, whose places are looked up often. */
  service(name: string, values: Record<string, unknown>): Located;
  problems: Problem[];
}

/** Reads a text. Of one that is no TOML nothing can be used; a key that is set twice is reported and left out. */
export function parseToml(file: string, text: string): Result<TomlFile, Problem[]> {
  const position = positionsIn(file, text);
  let statements: Statement[];
  try {
    statements = parser.parse(text);
  } catch (error) {
    return err([explainSyntax(error, file, text)]);
  }
  const problems: Problem[] = [];
  let values = tryCompile(statements, text, position);
  while (!values.ok) {
    problems.push(values.error.problem);
    if (problems.length > mostDuplicates) return err(problems);
    statements = without(statements, values.error.problem.position, position);
    values = tryCompile(statements, text, position);
  }
  const root = index(statements);
  const table = locate(values.value, root, position);
  const services = root.children.get("services");
  const service = (name: string, of: Record<string, unknown>): Located =>
    locate(of, services?.children.get(name) ?? root, position);
  return ok({ table, service, problems });
}

/** One value alone, as it would stand behind `=`. `null` if it is none. */
export function parseTomlValue(text: string): { value: unknown } | null {
  const line = `value = ${text}`;
  try {
    const statements = parser.parse(line);
    return statements.length === 1 ? { value: compiler.compile(statements, line).value } : null;
  } catch {
    return null;
  }
}

/** Where every key and every element of a list stands. Of what is opened twice, the first place. */
function index(statements: readonly Statement[]): Spot {
  const root = spotAt(0, 0);
  let table = root;
  for (const statement of statements) {
    if (statement.type === "Assign") {
      addValue(descend(table, statement.key, statement.offset), statement.value);
    } else {
      table = descend(root, statement.value, statement.offset);
      if (statement.type === "ArrayPath")
        table = descend(table, [String(table.children.size)], statement.offset);
    }
  }
  return root;
}

function descend(from: Spot, path: readonly string[], offset: number): Spot {
  let spot = from;
  for (const [depth, step] of path.entries()) {
    let next = spot.children.get(step);
    if (next === undefined) {
      next = spotAt(offset, offset);
      spot.children.set(step, next);
    } else if (depth === path.length - 1) {
      // `[services.ssh.limits]` before `[services.ssh]`: the table's own header is the better place.
      next.key = offset;
    }
    spot = next;
  }
  return spot;
}

function addValue(spot: Spot, node: ValueNode): void {
  spot.value = node.offset;
  if (node.type === "Array") {
    for (const [position, element] of node.value.entries()) {
      addValue(descend(spot, [String(position)], element.offset), element);
    }
  } else if (node.type === "InlineTable") {
    for (const entry of node.value) {
      if (entry.type === "InlineTableValue") addValue(descend(spot, entry.key, entry.offset), entry.value);
    }
  }
}

function spotAt(key: number, value: number): Spot {
  return { key, value, children: new Map() };
}

type Compiled = Result<Record<string, unknown>, { problem: Problem }>;

function tryCompile(statements: Statement[], text: string, position: (offset: number) => Position): Compiled {
  try {
    return ok(compiler.compile(statements, text));
  } catch (error) {
    const { line, column, message } = error as Error & { line: number; column: number };
    const at = { file: position(0).file, line, column };
    return err({ problem: duplicate(statements, at, message, position) });
  }
}

/** The compiler's own words, but for the common case: a table or key that is there twice. */
function duplicate(
  statements: readonly Statement[],
  at: Position,
  message: string,
  position: (offset: number) => Position,
): Problem {
  const blank = { position: at, hint: null, service: null, key: null };
  const second = statements.findIndex((statement) => samePlace(position(statement.offset), at));
  const path = pathOf(statements, second);
  const first = statements.findIndex((_, before) => before < second && pathOf(statements, before) === path);
  const earlier = statements[first];
  if (earlier === undefined) return { ...blank, message: lowerFirst(message) };
  const line = position(earlier.offset).line;
  const [outer, service, ...rest] = path.split("\0");
  const what =
    outer === "services" && rest.length === 0 ? `service "${service}"` : path.replaceAll("\0", ".");
  return { ...blank, message: `${what} is already declared in line ${line}` };
}

/** The whole path that a statement sets, its table's included. */
function pathOf(statements: readonly Statement[], which: number): string {
  const statement = statements[which];
  if (statement === undefined) return "";
  if (statement.type !== "Assign") return statement.value.join("\0");
  for (let before = which; before >= 0; before--) {
    const header = statements[before];
    if (header !== undefined && header.type !== "Assign")
      return [...header.value, ...statement.key].join("\0");
  }
  return statement.key.join("\0");
}

/** Leaves out the statement at a place; with a header goes what stands under it. */
function without(
  statements: readonly Statement[],
  place: Position,
  position: (offset: number) => Position,
): Statement[] {
  // An error inside a value names the value's place: the statement is the last that begins before it.
  const which = statements.findLastIndex(({ offset }) => !isAfter(position(offset), place));
  let end = which + 1;
  if (statements[which]?.type !== "Assign") {
    while (statements[end]?.type === "Assign") end += 1;
  }
  return [...statements.slice(0, which), ...statements.slice(end)];
}

function samePlace(a: Position, b: Position): boolean {
  return a.line === b.line && a.column === b.column;
}

function isAfter(a: Position, b: Position): boolean {
  return a.line > b.line || (a.line === b.line && a.column > b.column);
}

function lowerFirst(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1).replace(/\.$/, "");
}
