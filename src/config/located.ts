/** Tables together with where each of their keys stands, so that every error can point at its line and column. */
import type { Position } from "./problem.ts";

/** Where a key and its value begin, as offsets into a text; `children` of a table or a list by key or index. */
export interface Spot {
  key: number;
  value: number;
  children: Map<string, Spot>;
}

/** A table of a file, or of the command line. Paths lead from this table inwards. */
export interface Located {
  values: Record<string, unknown>;
  /** Where a key or its value stands; of what has no place of its own, the nearest thing around it that has one. */
  at(path: readonly string[], part: "key" | "value"): Position;
  /** The places of all keys two levels deep, by their paths as written: `limits`, `limits.nofile`, `listen.0`. */
  keyPositions(): Record<string, Position>;
}

/** Makes a `Located` of the table that `spot` describes. */
export function locate(
  values: Record<string, unknown>,
  spot: Spot,
  position: (offset: number) => Position,
): Located {
  return {
    values,
    at(path, part) {
      let found = spot;
      let offset = spot.key;
      for (const step of path) {
        const next = found.children.get(step);
        if (next === undefined) return position(offset);
        found = next;
        offset = found[part];
      }
      return position(offset);
    },
    keyPositions() {
      const positions: Record<string, Position> = {};
      for (const [key, outer] of spot.children) {
        positions[key] = position(outer.value);
        for (const [inner, { value }] of outer.children) positions[`${key}.${inner}`] = position(value);
      }
      return positions;
    },
  };
}

/** Turns offsets of a text into positions; lines and columns count from 1, columns in UTF-16 code units. */
export function positionsIn(file: string, text: string): (offset: number) => Position {
  const starts = [0];
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", end + 1)) starts.push(end + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { file, line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  };
}

/** The table inside a table, if it is one; its key positions are one level deep. */
export function inner(outer: Located, name: string): Located | null {
  const values = outer.values[name];
  if (!isTable(values)) return null;
  return {
    values,
    at: (path, part) => outer.at([name, ...path], part),
    keyPositions() {
      const keys = Object.keys(values);
      return Object.fromEntries(keys.map((key) => [key, outer.at([name, key], "value")]));
    },
  };
}

export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
