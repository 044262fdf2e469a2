/** What the daemon answered, for programs. */
import type { CliContext } from "./command.ts";

/** Indented, as a document of its own. */
export function writeJson({ stdout }: CliContext, value: unknown): void {
  stdout.write(`${safe(JSON.stringify(value, null, 2))}\n`);
}

/** On one line. */
export function jsonLine(value: unknown): string {
  return `${safe(JSON.stringify(value))}\n`;
}

/** Some terminals obey C1 controls, which JSON does not escape; peers may have put them there. */
function safe(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
