/** Errors of TOML's syntax in the words of somebody who wrote the line, with a hint for the usual mistakes. */
import { quote } from "../util/describe.ts";
import type { Problem } from "./problem.ts";

/** `location` and `found` if the grammar refused, `line` and `column` if a rule behind it did. */
interface ParseError extends Error {
  found?: string | null;
  location?: { start: { line: number; column: number } };
  line?: number;
  column?: number;
}

/** @param error what the TOML parser threw */
export function explainSyntax(error: unknown, file: string, text: string): Problem {
  const { location, found, message, line = 0, column = 0 } = error as ParseError;
  const nothing = { service: null, key: null };
  if (location === undefined) {
    // A rule behind the grammar: a date that there is not, a bad escape.
    const what = message.charAt(0).toLowerCase() + message.slice(1).replace(/\.$/, "");
    return { position: { file, line, column }, message: what, hint: null, ...nothing };
  }
  const { start } = location;
  const lineText = text.split("\n", start.line)[start.line - 1] ?? "";
  return {
    position: { file, line: start.line, column: start.column },
    message: `syntax error: ${unexpected(found)}`,
    hint: usualMistake(lineText),
    ...nothing,
  };
}

function unexpected(found: string | null | undefined): string {
  if (found === null || found === undefined) return "the file ends too early";
  return found === "\n" || found === "\r" ? "the line ends too early" : `unexpected ${quote(found)}`;
}

function usualMistake(line: string): string | null {
  const value = /^[^=#"']*=\s*(.*?)\s*(?:#.*)?$/.exec(line)?.[1];
  if (value === undefined)
    return /^\s*\[/.test(line) ? "a table is opened by [NAME]" : "a line is KEY = VALUE or [TABLE]";
  if (value === "") return "a value is missing";
  if (/^0[0-7]+$/.test(value)) return `no number begins with 0; permission bits are a text: "${value}"`;
  if (/^(?:yes|no|on|off|True|False)$/.test(value)) return "booleans are true and false";
  if (/^[\p{L}/*.~$@-]/u.test(value) || /^\d[\d.:]*[a-zA-Z/:]/.test(value))
    return `texts need quotes: ${quote(value)}`;
  return null;
}
