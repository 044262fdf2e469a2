/** What the standard output of a command can show. */
import type { CliContext } from "./command.ts";

export interface Screen {
  /** In characters; `null` (a pipe, a file): nothing is cut. */
  width: number | null;
  colour: boolean;
}

export type Colour = "red" | "yellow" | "green" | "dim" | "bold";

const codes: Readonly<Record<Colour, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 };

/** Colours on a terminal that has them, and never under NO_COLOR (no-color.org). */
export function screenOf({ stdout, environment }: CliContext): Screen {
  if (stdout.isTTY !== true) return { width: null, colour: false };
  return {
    // A terminal that does not tell its size says 0.
    width: stdout.columns === undefined || stdout.columns === 0 ? 80 : stdout.columns,
    colour: !environment.NO_COLOR && environment.TERM !== "dumb",
  };
}

export function paint(screen: Screen, colour: Colour | null, text: string): string {
  return screen.colour && colour !== null ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text;
}
