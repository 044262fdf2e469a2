/** Reads a table by the rows of the schema: every key checked by its own type, every problem at its own place. */
import type { z } from "zod";
import { describe } from "../util/describe.ts";
import { rememberLast } from "../util/last.ts";
import { nearest } from "../util/nearest.ts";
import { isTable, type Located } from "./located.ts";
import type { Problem } from "./problem.ts";
import { type Key, type KeyTable, rowsOf } from "./schema/key.ts";

/** Where a table stands, and where what is wrong with it goes. */
export interface TableContext {
  located: Located;
  /** The steps from `located` to the table. */
  path: readonly string[];
  /** How the table is called in messages: `[services.ssh]`. */
  title: string;
  service: string | null;
  problems: Problem[];
}

/** Reads what is there; no defaults. Keys with problems are left out. @returns values by their names in code */
export function readTable(rows: KeyTable, values: unknown, context: TableContext): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  if (!isTable(values)) {
    report(context, [], { message: `expected a table, not ${describe(values)}`, hint: null });
    return result;
  }
  const known = rowsOf(rows);
  for (const [key, value] of Object.entries(values)) {
    const found = known.get(key);
    if (found === undefined) {
      reportUnknownKey(rows, key, context);
    } else if (found.row.fields !== null) {
      result[found.name] = readTable(found.row.fields, value, { ...context, path: [...context.path, key] });
    } else {
      const parsed = parseValue(found.row, value);
      if (parsed.success) result[found.name] = parsed.data;
      else for (const issue of parsed.error.issues) reportIssue(issue, key, value, context);
    }
  }
  return result;
}

/** Most services say of a key what the one before said; a list or a table is always another. */
const parseScalar = rememberLast((row: Key<unknown>, value: unknown) => row.type.safeParse(value));

function parseValue(row: Key<unknown>, value: unknown): ReturnType<typeof parseScalar> {
  return typeof value === "object" ? row.type.safeParse(value) : parseScalar(row, value);
}

function reportUnknownKey(rows: KeyTable, key: string, context: TableContext): void {
  const path = [...context.path, key];
  const meant = knownKey(rows, key);
  context.problems.push({
    position: context.located.at(path, "key"),
    message: `unknown key "${key}" in ${context.path.length === 0 ? context.title : words(context.path)}`,
    hint: meant === null ? null : `did you mean \`${meant}\`?`,
    service: context.service,
    key: path.join("."),
  });
}

/** The key that somebody wanted: as other programs call it, or one of nearly that spelling. */
export function knownKey(rows: KeyTable, key: string): string | null {
  const snake = key
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replaceAll("-", "_")
    .toLowerCase();
  if (Object.hasOwn(rows, snake)) return snake;
  const called = Object.entries(rows).find(([, row]) => row.alsoCalled?.includes(snake));
  return called?.[0] ?? nearest(snake, Object.keys(rows));
}

/** A path for people: the position says which element of a list it is. */
function words(path: readonly string[]): string {
  return path.filter((step) => !/^\d+$/.test(step)).join(".");
}

type Issue = z.core.$ZodIssue;

function reportIssue(issue: Issue, name: string, value: unknown, context: TableContext): void {
  for (const { path, message, choice, hint } of innermost(issue)) {
    const steps = [name, ...path.map(String)];
    const found = path.reduce<unknown>((outer, step) => (outer as Record<PropertyKey, unknown>)[step], value);
    const text = message.startsWith("expected") ? `${message}, not ${describe(found)}` : message;
    report(context, steps, { message: text, hint: hint ?? wordHint(found, choice) });
  }
}

interface Complaint {
  path: PropertyKey[];
  message: string;
  /** The words that could have stood there. */
  choice: string[];
  hint: string | null;
}

/**
 * Of a union, zod tells what each branch had against the value. If one of them understood it so far that only
 * something in it was wrong, that is worth telling; otherwise what the union as a whole expects.
 */
function innermost(issue: Issue): Complaint[] {
  const { path, message } = issue;
  switch (issue.code) {
    case "invalid_union": {
      const branch = issue.errors.find((issues) =>
        issues.every((one) => one.path.length > 0 || one.code === "custom"),
      );
      if (branch === undefined)
        return [{ path, message, choice: issue.errors.flat().flatMap(wordsOf), hint: null }];
      return branch
        .flatMap(innermost)
        .map((complaint) => ({ ...complaint, path: [...path, ...complaint.path] }));
    }
    case "custom": {
      const hint: unknown = issue.params?.hint;
      return [{ path, message, choice: [], hint: typeof hint === "string" ? hint : null }];
    }
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: "unknown key",
        choice: [],
        hint: null,
      }));
    default:
      return [{ path, message, choice: wordsOf(issue), hint: null }];
  }
}

function wordsOf(issue: Issue): string[] {
  return issue.code === "invalid_value" ? issue.values.map(String) : [];
}

function wordHint(found: unknown, choice: readonly string[]): string | null {
  const near = typeof found === "string" ? nearest(found, choice) : null;
  return near === null ? null : `did you mean "${near}"?`;
}

function report(
  context: TableContext,
  steps: readonly string[],
  what: { message: string; hint: string | null },
): void {
  const path = [...context.path, ...steps];
  const key = path.length === 0 ? null : path.join(".");
  context.problems.push({
    position: context.located.at(path, "value"),
    message: key === null ? what.message : `${words(path)}: ${what.message}`,
    hint: what.hint,
    service: context.service,
    key,
  });
}

/** The default of a row as a value; `null` if it is unset. */
export function defaultOf(row: Key<unknown>): unknown {
  if (row.fields !== null) return defaultsOf(row.fields);
  return row.default === undefined ? null : row.type.parse(row.default);
}

export function defaultsOf(rows: KeyTable): Record<string, unknown> {
  return Object.fromEntries([...rowsOf(rows).values()].map(({ name, row }) => [name, defaultOf(row)]));
}

/** Later values over earlier ones; tables (of known keys, or of variables) are merged key by key. */
export function mergeTables(
  rows: KeyTable,
  earlier: Record<string, unknown>,
  later: Record<string, unknown>,
): Record<string, unknown> {
  const merged = { ...earlier };
  for (const name of Object.keys(later)) {
    const [before, value] = [earlier[name], later[name]];
    merged[name] =
      isMerged(rows, name) && isTable(before) && isTable(value) ? { ...before, ...value } : value;
  }
  return merged;
}

const mergedNames = new WeakMap<KeyTable, ReadonlySet<string>>();

/** Whether the key of a name in code holds a table. */
function isMerged(rows: KeyTable, name: string): boolean {
  let names = mergedNames.get(rows);
  if (names === undefined) {
    const tables = [...rowsOf(rows).values()].filter(({ row }) => isTable(row.default));
    names = new Set(tables.map((row) => row.name));
    mergedNames.set(rows, names);
  }
  return names.has(name);
}
