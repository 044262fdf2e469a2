/** An event as one line for people. */
import type { LoggedEvent } from "../control/messages.ts";
import { cleanText } from "../log/clean.ts";
import { type Colour, paint, type Screen } from "./screen.ts";

const mostCharacters = 2000;

const colours: Readonly<Record<string, Colour>> = { warn: "yellow", error: "red", debug: "dim" };

/** `2026-01-02T03:04:05Z warn: sentence`, without an end of line. */
export function eventLine({ time, level, msg }: LoggedEvent, screen: Pick<Screen, "colour">): string {
  const loudness = level === "info" || level === "debug" ? "" : `${level}: `;
  const text = cleanText(`${loudness}${msg}`, mostCharacters);
  return `${time.replace(/\.\d+Z$/, "Z")} ${paint({ width: null, ...screen }, colours[level] ?? null, text)}`;
}
