/** Runs the built `tinetd` in a terminal of the test's own, and types there. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { pathOf } from "../rig/needs.ts";
import { main } from "./tinetd.ts";

export interface Terminal extends Disposable {
  /** Everything that was written so far. */
  shown(): string;
  /** Resolves when something new fits the pattern, with all that is new. */
  shows(pattern: RegExp): Promise<string>;
  type(keys: string): void;
  resize(rows: number, columns: number): void;
  signal(number: number): void;
  /** `code` is negative for a signal; `restored`: the terminal's modes are as they were. */
  ended: Promise<{ code: number; restored: boolean }>;
}

export function inTerminal(
  [rows, columns]: readonly [rows: number, columns: number],
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Terminal {
  const words = [
    `${import.meta.dirname}/terminal.py`,
    `${rows}`,
    `${columns}`,
    process.execPath,
    main,
    ...args,
  ];
  const env = { PATH: process.env.PATH, TERM: "xterm", RUNTIME_DIRECTORY: "/nonexistent", ...environment };
  const child: ChildProcessWithoutNullStreams = spawn(pathOf("python3"), words, { env });
  let shown = "";
  let seen = 0;
  let onMore = () => {};
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    shown += chunk;
    onMore();
  });
  const order = (what: object) => void child.stdin.write(`${JSON.stringify(what)}\n`);
  return {
    shown: () => shown,
    async shows(pattern) {
      while (!pattern.test(shown.slice(seen))) {
        await new Promise<void>((resolve) => {
          onMore = resolve;
        });
      }
      const fresh = shown.slice(seen);
      seen = shown.length;
      return fresh;
    },
    type: (keys) => order({ keys }),
    resize: (newRows, newColumns) => order({ size: [newRows, newColumns] }),
    signal: (number) => order({ signal: number }),
    ended: text(child.stderr).then((said) => JSON.parse(said)),
    // It kills the command when nobody gives orders any more.
    [Symbol.dispose]: () => void child.stdin.end(),
  };
}
