/**
 * The terminal as a whole, for as long as a command draws on it. It is given back as it was, however the command ends:
 * the alternate screen leaves what stood there before untouched.
 */
import type { CliContext } from "./command.ts";

/** xterm's control sequences (ctlseqs), which every terminal of today knows. */
const take = "\u001b[?1049h\u001b[?25l";
const giveBack = "\u001b[?25h\u001b[?1049l";
const home = "\u001b[H";
const eraseRestOfLine = "\u001b[K";
const eraseBelow = "\u001b[J";

/** Ctrl-C and Ctrl-D come as bytes while the terminal is raw. */
const quitKeys = /[qQ\u0003\u0004]/;
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface FullScreen {
  /** One character less than there is: erasing behind the last one would erase that. */
  columns(): number;
  rows(): number;
  /** Writes over what is there, so that nothing flickers. */
  draw(lines: readonly string[]): void;
  /** Somebody wants to leave: q, Ctrl-C, a signal, or the terminal is gone. */
  readonly left: AbortSignal;
  release(): void;
}

/** @param onResize is called when the terminal has another size */
export function takeScreen({ stdin, stdout }: CliContext, onResize: () => void): FullScreen {
  const leaving = new AbortController();
  const leave = () => leaving.abort();
  const onKey = (keys: Buffer | string) => {
    if (quitKeys.test(keys.toString())) leave();
  };
  let taken = true;
  const release = () => {
    if (!taken) return;
    taken = false;
    for (const signal of signals) process.off(signal, leave);
    process.off("exit", release);
    stdout.off("resize", onResize);
    stdin.off("data", onKey).off("end", leave).pause();
    stdin.setRawMode?.(false);
    stdout.write(giveBack);
  };
  for (const signal of signals) process.on(signal, leave);
  // Also when a bug ends the command: writes to a terminal are done at once.
  process.on("exit", release);
  stdout.on("resize", onResize);
  stdin.setRawMode?.(true);
  stdin.on("data", onKey).on("end", leave).resume();
  stdout.write(take);
  return {
    columns: () => Math.max(20, (stdout.columns || 80) - 1),
    rows: () => Math.max(5, stdout.rows || 24),
    draw(lines) {
      const text = lines.map((line) => `${line}${eraseRestOfLine}`).join("\r\n");
      stdout.write(`${home}${text}${eraseBelow}`);
    },
    left: leaving.signal,
    release,
  };
}
