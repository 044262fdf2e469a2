/** Signals by name and number, as signal(7) lists them for this architecture. */
import { constants } from "node:os";

export type SignalName = keyof typeof constants.signals;

const names = new Map<number, string>();
for (const [name, number] of Object.entries(constants.signals)) {
  // Aliases (SIGIOT for SIGABRT, SIGPOLL for SIGIO ...) come later in the list: the first name stands.
  if (!names.has(number)) names.set(number, name);
}

export function signalNumber(name: string): number | undefined {
  return (constants.signals as Record<string, number>)[name];
}

/** `SIGTERM` for 15; a real-time signal has no name of its own and gets its number. */
export function signalName(number: number): string {
  return names.get(number) ?? `SIG${number}`;
}
