/**
 * An upgrade: the daemon executes itself anew and goes on as what is installed by now, with the same pid and all that it
 * has. The steps, of which only the last cannot be undone:
 *
 * (1) The trial (trial.ts): the installed version reads a copy of our state, as a child. (2) Everything is saved for good
 * and the state written, in one turn of the event loop, so that nothing moves in between: clients wait in the kernel.
 * (3) The descriptors that the state names are made to outlive the exec, and the program is executed. (4) The new process
 * takes up the state before it looks at any descriptor (cli/takeover.ts); if it cannot, its guard executes the program
 * that was there before, by the same state (guard.ts).
 */
import type { Carry } from "../../native/carry.ts";
import { type Fd, isSystemError, type Sys } from "../../native/sys.ts";
import { carryCode, type KeptCode } from "./kept-code.ts";
import { commandOf, type Program } from "./program.ts";
import { writeState } from "./state-file.ts";
import { type TrialWorld, tryOut } from "./trial.ts";

/** What travels. */
export interface Travelling<State> {
  /** Of the code that has written it. */
  version: string;
  /** When it was written, on the monotonic clock. */
  savedAt: number;
  /** A copy of that code, to go back to; `null` where the sources are run as they are: then there is no way back. */
  code: KeptCode | null;
  /** How it was called. Variables stay as they are over an exec. */
  program: Omit<Program, "environment">;
  /** All descriptors that go along. */
  fds: Fd[];
  state: State;
}

export interface UpgradeWorld<State> extends TrialWorld {
  /** Of the code that runs. */
  version: string;
  /** A copy of it, where there is one. */
  code: KeptCode | null;
  /** All that the daemon has; changes nothing. @throws what cannot be saved */
  save(carry: Carry): State;
  /** What keeps it from being saved at this moment; `null`: nothing. */
  objection(): string | null;
  /** Resolves when the log is written. */
  flush(): Promise<unknown>;
}

/** @returns why there is no upgrade; does not return if there is one */
export async function upgrade<State>(world: UpgradeWorld<State>): Promise<string> {
  const trial = await tryOut(world, travelling(world).content);
  if (!trial.ok) return `what is installed cannot take over: ${trial.error}`;
  await world.flush();
  return world.objection() ?? execute(world);
}

/** One turn, and no way for anything to come in between. */
function execute<State>(world: UpgradeWorld<State>): string {
  const { sys, program } = world;
  const { content, fds } = travelling(world);
  const state = writeState(sys, content);
  const { file, argv, environment } = commandOf(
    program,
    { role: "take over", state, reason: "" },
    undefined,
    world.code?.guard,
  );
  // The standard descriptors too: Node has marked them.
  const kept = [0, 1, 2, state, ...fds];
  try {
    for (const fd of kept) sys.setCloseOnExec(fd, false);
    return sys.exec(file, argv, environment);
  } catch (error) {
    for (const fd of kept) sys.setCloseOnExec(fd, true);
    sys.close(state);
    if (!isSystemError(error)) throw error;
    return `cannot execute ${file}: ${error.code}`;
  }
}

function travelling<State>(world: UpgradeWorld<State>): { content: Travelling<State>; fds: Fd[] } {
  const fds: Fd[] = [];
  const carry: Carry = (fd) => {
    fds.push(fd);
    return fd;
  };
  const { version, clock } = world;
  const { environment: _, ...program } = world.program;
  const code = world.code === null ? null : carryCode(world.code, carry);
  const state = world.save(carry);
  return { content: { version, savedAt: clock.now(), program, code, fds, state }, fds };
}

/** The descriptors of a state, each of which somebody is to claim. */
export class Luggage {
  readonly #left: Set<Fd>;

  constructor(fds: readonly Fd[]) {
    this.#left = new Set(fds);
  }

  /** @throws for one that did not come along, or was claimed before */
  readonly claim: Carry = (fd) => {
    if (!this.#left.delete(fd)) throw new Error(`descriptor ${fd} is not among those that came along`);
    return fd;
  };

  /** Closes those that nobody has claimed: a later version may do without what an earlier one needed. */
  closeRest(sys: Pick<Sys, "close">): void {
    for (const fd of this.#left) sys.close(fd);
    this.#left.clear();
  }
}
