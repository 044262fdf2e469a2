/** A program in a terminal of its own, with a person at it: script(1) makes the terminal, the test types and reads. */
import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Terminal extends AsyncDisposable {
  /** Its device. */
  readonly device: string;
  /** The pid of the program that runs in it. */
  readonly pid: number;
  type(text: string): void;
  /**
   * Waits until what was shown since the last call matches, and takes it all up to the end of the match.
   * @throws if the program ends before, or after 20 seconds, with what was shown instead
   */
  shows(pattern: RegExp): Promise<RegExpExecArray>;
}

export interface Size {
  rows: number;
  columns: number;
}

/** So that a test which waits in vain says for what, before the runner's own time is up. */
const patienceMs = 20_000;

/** Starts a program in a terminal of that size, of type vt100. Disposing of the terminal hangs up. */
export async function openTerminal({ rows, columns }: Size, command: readonly string[]): Promise<Terminal> {
  const line = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const start = `stty rows ${rows} cols ${columns}; tty; echo $$; exec ${line}`;
  const script = spawn("script", ["-qec", start, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { PATH: process.env.PATH, LANG: "C", SHELL: "/bin/sh", TERM: "vt100" },
  });
  let shown = "";
  let ended = false;
  const closed = once(script, "close").then(() => {
    ended = true;
  });
  script.stdin.on("error", () => {}); // what is typed to a program that has just ended
  script.stdout.setEncoding("latin1").on("data", (text: string) => {
    shown += text;
  });
  const shows = async (pattern: RegExp): Promise<RegExpExecArray> => {
    const patience = AbortSignal.timeout(patienceMs);
    for (;;) {
      const match = pattern.exec(shown);
      if (match !== null) {
        shown = shown.slice(match.index + match[0].length);
        return match;
      }
      if (ended || patience.aborted) {
        const why = ended ? "the program ended" : `${patienceMs} ms passed`;
        throw new Error(`${why} without ${pattern}, but ${JSON.stringify(shown)}`);
      }
      const more = once(script.stdout, "data", { signal: patience }).catch(() => {});
      await Promise.race([more, closed]);
    }
  };
  const [, device = "", pid] = await shows(/^(\/dev\/\S+)\r\n(\d+)\r\n/);
  return {
    device,
    pid: Number(pid),
    type: (text) => void script.stdin.write(text, "latin1"),
    shows,
    async [Symbol.asyncDispose]() {
      script.kill("SIGKILL");
      await closed;
    },
  };
}
