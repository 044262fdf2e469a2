/**
 * The trial of an upgrade: the installed version runs as a child on a copy of the state. It loads all of its code and
 * the addon, takes up the state as it would in earnest (rehearsal.ts), and says which version it is. It has none of the
 * sockets.
 */
import { type Fd, READABLE, type SpawnPlan, type Sys } from "../../native/sys.ts";
import type { Processes } from "../../process/processes.ts";
import type { Clock } from "../../util/clock.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { commandOf, type Program } from "./program.ts";
import { writeState } from "./state-file.ts";

export interface TrialWorld {
  sys: Sys;
  clock: Clock;
  processes: Processes;
  /** /dev/null, borrowed. */
  nothing: number;
  program: Program;
}

/** An answer that does not come by then is none. */
const patienceMs = 30_000;
const mostOutput = 64 * 1024;
/** The descriptor on which the child finds the state. */
const stateFd = 3;
/** What `processes` is told of it. */
const notAService = {
  name: "upgrade",
  killMode: "process",
  stopSignal: "SIGKILL",
  stopTimeout: null,
} as const;

/** What the child writes on its stdout when it could take over. */
export interface Verdict {
  version: string;
}

/** With what we have ourselves; it makes no file that the umask could matter to. */
const asWeAre: Omit<SpawnPlan, "file" | "argv" | "environment" | "workingDirectory"> = {
  umask: 0o022,
  credentials: null,
  rootDirectory: null,
  limits: [],
  nice: null,
  oomScoreAdjust: null,
  capabilities: null,
  noNewPrivileges: false,
};

/** @returns the version that could take over, or why none can */
export async function tryOut(world: TrialWorld, state: unknown): Promise<Result<Verdict, string>> {
  const { sys, nothing } = world;
  /** What is open, and closed in any case. */
  const ours: (() => void)[] = [];
  const openOutput = () => {
    const output = new Output(sys);
    ours.push(() => output.close());
    return output;
  };
  try {
    const [output, errors] = [openOutput(), openOutput()];
    const copy = writeState(sys, state);
    ours.push(() => sys.close(copy));
    const ended = start(world, [nothing, output.theirs, errors.theirs, copy]);
    if (!ended.ok) return ended;
    const [code, said, wrong] = await Promise.all([ended.value, output.read(), errors.read()]);
    return judge(code, said, wrong);
  } finally {
    for (const close of ours) close();
  }
}

/** @returns the exit code, `null` for one that was killed */
function start(
  { sys, clock, processes, program }: TrialWorld,
  descriptors: readonly Fd[],
): Result<Promise<number | null>, string> {
  const command = commandOf(program, { role: "check", state: stateFd, reason: "" });
  const plan = sys.prepare({ ...asWeAre, ...command, workingDirectory: program.workingDirectory });
  let tell: (code: number | null) => void = () => {};
  const ended = new Promise<number | null>((resolve) => {
    tell = resolve;
  });
  const [started] = processes.start(notAService, [
    { plan, descriptors, variables: [], connection: null, onEnd: ({ code }) => tell(code) },
  ]);
  if (started?.ok !== true) return err(`${command.file}: ${started?.error.code ?? "not started"}`);
  const patience = clock.after(patienceMs, () => started.value.reach.kill());
  void ended.then(() => patience.cancel());
  return ok(ended);
}

/** A pipe of which the child has one end; what comes through it is bounded. */
class Output {
  readonly #sys: Sys;
  readonly #ours: Fd;
  readonly theirs: Fd;
  #theirsIsOpen = true;

  constructor(sys: Sys) {
    this.#sys = sys;
    [this.#ours, this.theirs] = sys.pipe();
  }

  /** All that is written until the other end is closed everywhere. */
  read(): Promise<string> {
    this.#leaveTheirs();
    const chunks: Buffer[] = [];
    let length = 0;
    return new Promise((resolve) => {
      const watch = this.#sys.watch(this.#ours, () => {
        const chunk = Buffer.alloc(4096);
        const read = this.#sys.read(this.#ours, chunk);
        if (read === null) return;
        if (length < mostOutput) chunks.push(chunk.subarray(0, read));
        length += read;
        if (read > 0) return;
        watch.close();
        resolve(Buffer.concat(chunks).toString());
      });
      watch.start(READABLE);
    });
  }

  close(): void {
    this.#leaveTheirs();
    this.#sys.close(this.#ours);
  }

  #leaveTheirs(): void {
    if (this.#theirsIsOpen) this.#sys.close(this.theirs);
    this.#theirsIsOpen = false;
  }
}

/** Pure. */
export function judge(code: number | null, said: string, wrong: string): Result<Verdict, string> {
  if (code === 0) {
    try {
      const { version } = JSON.parse(said) as Partial<Verdict>;
      if (typeof version === "string") return ok({ version });
    } catch {
      // Something that is no tinetd has taken its place.
    }
    return err("what is installed does not know how to take over");
  }
  const how = code === null ? "it was killed, or has not answered" : `it ended with ${code}`;
  const why = mainLine(wrong);
  return err(why === "" ? how : `${how}: ${why}`);
}

/** What stands out of an error message: our own words, the name of an exception, or whatever was said last. */
function mainLine(text: string): string {
  const lines = text.trim().split("\n");
  const ours = lines.findLast((line) => line.startsWith("tinetd: "));
  if (ours !== undefined) return ours.slice("tinetd: ".length);
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? "";
}
