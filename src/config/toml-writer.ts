/** Writes tables as TOML. */
import type { TomlTable } from "./encode.ts";
import { isTable } from "./located.ts";
import type { Toml } from "./schema/key.ts";

/**
 * `[name]` sections for the tables at the top, `[name.inner]` for tables of tables (`services`), one line for every
 * other value. Keys keep their order.
 */
export function writeToml(document: TomlTable): string {
  const top = Object.entries(document).filter(([, value]) => !isTable(value));
  const sections = Object.entries(document).flatMap(([name, value]) =>
    isTable(value) ? writeSection([name], value) : [],
  );
  const head = top.map(([key, value]) => `${writeKey(key)} = ${writeValue(value)}\n`).join("");
  return [head, ...sections].filter((part) => part !== "").join("\n");
}

/** Only `services` holds tables that are sections of their own. */
function writeSection(path: readonly string[], table: TomlTable): string[] {
  if (path.length === 1 && path[0] === "services") {
    return Object.entries(table).flatMap(([name, value]) =>
      isTable(value) ? writeSection([...path, name], value) : [],
    );
  }
  const lines = Object.entries(table).map(([key, value]) => `${writeKey(key)} = ${writeValue(value)}\n`);
  return [`[${path.map(writeKey).join(".")}]\n${lines.join("")}`];
}

/** A value on one line. */
export function writeValue(value: Toml): string {
  if (typeof value === "string") return writeText(value);
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map(writeValue).join(", ")}]`;
  const entries = Object.entries(value).map(([key, part]) => `${writeKey(key)} = ${writeValue(part)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

function writeKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : writeText(key);
}

/** JSON's escapes are TOML's, but that TOML wants DEL escaped too. */
function writeText(text: string): string {
  return JSON.stringify(text).replaceAll("\x7f", "\\u007f");
}
