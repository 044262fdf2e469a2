/**
 * A row of the schema: one key of `inetd.toml` with its type, its default and what the reference says of it. All else
 * is made from these rows: checking, defaults, `show`, the JSON Schema, the options of `serve` and docs/reference.md.
 */
import { z } from "zod";
import { type CamelCase, snakeToCamel } from "../../util/case.ts";
import type { Handoff } from "./handoff.ts";

/** A value as the TOML reader gives it. */
export type Toml = string | number | boolean | Toml[] | { [key: string]: Toml };

/** What a row says besides its type. */
export interface KeyText {
  description: string;
  /** Shown in the reference. */
  example: Toml;
  /** The default in words, where it is not simply a value: "the service's name". */
  defaultText?: string;
  /** Names that other programs have for it: they lead a lost reader here. */
  alsoCalled?: readonly string[];
}

export interface Key<Value> extends KeyText {
  /** TOML to value and back. Its messages begin with "expected" where the value stands behind "not". */
  readonly type: z.ZodType<Value>;
  /** As it would be written; `undefined`: unset, and the value is `null`. */
  readonly default: Toml | undefined;
  /** Where it is another one for some handoffs. */
  readonly defaultFor: Partial<Record<Handoff, Toml>>;
  /** The keys of a table. Tables of the defaults and of a service are merged key by key. */
  readonly fields: KeyTable | null;
}

export type KeyTable = Readonly<Record<string, Key<unknown>>>;

/** The table's values by their names in code, defaults applied. */
export type Values<T extends KeyTable> = {
  -readonly [K in keyof T & string as CamelCase<K>]: T[K] extends Key<infer Value> ? Value : never;
};

/** A key that has a default. */
export function key<Value>(
  type: z.ZodType<Value>,
  text: KeyText & { default: Toml; defaultFor?: Partial<Record<Handoff, Toml>> },
): Key<Value> {
  return { defaultFor: {}, fields: null, ...text, type };
}

/** A key that may be left out, and is `null` then. */
export function optional<Value>(type: z.ZodType<Value>, text: KeyText): Key<Value | null> {
  return { ...text, type: type as z.ZodType<Value | null>, default: undefined, defaultFor: {}, fields: null };
}

/** A key that holds a table with keys of its own, each with its own default. */
export function table<T extends KeyTable>(fields: T, text: KeyText): Key<Values<T>> {
  return { ...text, type: tableType(fields) as z.ZodType<Values<T>>, default: {}, defaultFor: {}, fields };
}

/** The zod type of a table of keys, as it is written; none is required. */
export function tableType(fields: KeyTable): z.ZodType {
  return z.strictObject(
    Object.fromEntries(Object.entries(fields).map(([name, row]) => [name, row.type.optional()])),
    { error: () => `expected a table with ${Object.keys(fields).join(", ")}` },
  );
}

/** A row with its two names: `stop_timeout` as written, `stopTimeout` in code. */
export interface NamedKey {
  key: string;
  name: string;
  row: Key<unknown>;
}

interface Index {
  byKey: ReadonlyMap<string, NamedKey>;
  byName: ReadonlyMap<string, NamedKey>;
}

/** Made once for each table: services are many. */
const indexes = new WeakMap<KeyTable, Index>();

function indexOf(rows: KeyTable): Index {
  let index = indexes.get(rows);
  if (index === undefined) {
    const all = Object.entries(rows).map(([key, row]) => ({ key, name: snakeToCamel(key), row }));
    index = {
      byKey: new Map(all.map((one) => [one.key, one])),
      byName: new Map(all.map((one) => [one.name, one])),
    };
    indexes.set(rows, index);
  }
  return index;
}

/** The rows of a table by their keys as written, in order. */
export function rowsOf(rows: KeyTable): ReadonlyMap<string, NamedKey> {
  return indexOf(rows).byKey;
}

/** The row of a name in code. */
export function rowNamed(rows: KeyTable, name: string): NamedKey | undefined {
  return indexOf(rows).byName.get(name);
}
