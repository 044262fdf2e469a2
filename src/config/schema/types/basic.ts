/**
 * The building blocks of the schema: zod types whose messages are in the words of somebody who writes a file.
 * A message that begins with "expected" gets ", not VALUE" behind it; any other stands alone.
 */
import { z } from "zod";
import { oneOf } from "../../../util/describe.ts";
import { nearest } from "../../../util/nearest.ts";
import { err, ok, type Result } from "../../../util/result.ts";

/** Why a value was refused; the hint is a phrase of its own. */
export interface Refusal {
  message: string;
  hint?: string | null;
}

/** A type that is written as `raw` and read into something else; `write` is the inverse, used by `show`. */
export function parsed<Raw, Value>(
  raw: z.ZodType<Raw>,
  read: (raw: Raw) => Result<Value, Refusal>,
  write: (value: Value) => Raw,
): z.ZodType<Value> {
  return z.codec(raw, z.custom<Value>(), {
    decode: (input, context) => {
      const result = read(input as Raw);
      if (result.ok) return result.value;
      const { message, hint = null } = result.error;
      context.issues.push({ code: "custom", input, message, params: { hint } });
      return z.NEVER;
    },
    encode: (value) => write(value as Value) as z.output<typeof raw>,
  }) as unknown as z.ZodType<Value>;
}

export function words<const W extends readonly [string, ...string[]]>(...known: W): z.ZodType<W[number]> {
  return z.enum(known, { error: () => `expected ${oneOf(known)}` }) as unknown as z.ZodType<W[number]>;
}

export const boolean: z.ZodType<boolean> = z.boolean({ error: () => "expected true or false" });

export function integer(least: number, most: number = Number.MAX_SAFE_INTEGER): z.ZodType<number> {
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  const error = () => `expected a whole number ${range}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

/** A whole number, or a word in its place for "no limit", which is `null`. */
export function integerOr<const W extends string>(word: W, least: number): z.ZodType<number | null> {
  const error = () => `expected a whole number of at least ${least} or "${word}"`;
  const raw = z.union([z.int().min(least), z.literal(word)], { error });
  return parsed<number | W, number | null>(
    raw,
    (input) => ok(typeof input === "number" ? input : null),
    (value) => value ?? word,
  );
}

/** A text without NUL, which no path, argument or variable can hold. */
export function text(what = "a text"): z.ZodType<string> {
  return parsed(
    z.string({ error: () => `expected ${what}` }),
    (input) => (input.includes("\0") ? err({ message: "a NUL character cannot stand here" }) : ok(input)),
    (value) => value,
  );
}

/** A text that `check` finds nothing wrong with. */
export function checkedText(what: string, check: (input: string) => Refusal | null): z.ZodType<string> {
  return parsed(
    text(what),
    (input) => {
      const refusal = check(input);
      return refusal === null ? ok(input) : err(refusal);
    },
    (value) => value,
  );
}

/** A list, or one element alone in its place. */
export function list<Value>(element: z.ZodType<Value>, what: string): z.ZodType<Value[]> {
  // The list comes first: going back to text, the first branch that can write a value does.
  const raw = z.union([z.array(element), element], { error: () => `expected ${what} or a list of them` });
  return parsed<Value | Value[], Value[]>(
    raw,
    (input) => ok(Array.isArray(input) ? input : [input]),
    (value) => value,
  );
}

/** A table of texts by names that are not ours to know. */
export function dictionary<Value>(
  value: z.ZodType<Value>,
  what: string,
  checkName: (name: string) => Refusal | null,
): z.ZodType<Record<string, Value>> {
  return parsed<Record<string, Value>, Record<string, Value>>(
    z.record(z.string(), value, { error: () => `expected ${what}` }),
    (input) => {
      const refusal = Object.keys(input)
        .map(checkName)
        .find((found) => found !== null);
      return refusal ? err(refusal) : ok(input);
    },
    (values) => values,
  );
}

/** The refusal of a word that is none of `known`, with the nearest as hint. */
export function unknownWord(word: string, what: string, known: readonly string[]): Refusal {
  const near = nearest(word, known);
  return { message: `expected ${what}`, hint: near === null ? null : `did you mean "${near}"?` };
}
