/** The start of a daemon that goes on in place of another (an upgrade), or is only asked whether it could. */
import type { Config, ServiceConfig } from "../config/config.ts";
import { formatProblem } from "../config/problem.ts";
import { restoreConfig, restoreService, type SavedService } from "../config/saved.ts";
import { answerWaiting } from "../control/server.ts";
import type { SavedDaemon } from "../daemon/daemon.ts";
import { removeUnpacked } from "../daemon/upgrade/kept-code.ts";
import { type Program, settledKey, type UpgradeCall } from "../daemon/upgrade/program.ts";
import { readState } from "../daemon/upgrade/state-file.ts";
import { Luggage, type Travelling } from "../daemon/upgrade/upgrade.ts";
import type { Emit } from "../log/events.ts";
import type { Sys } from "../native/sys.ts";
import { systemClock } from "../util/clock.ts";
import { type CliContext, CommandFailure, exitCode } from "./command.ts";
import { ownUid } from "./configuration.ts";

export interface Takeover {
  /** Only asked whether it could. */
  isCheck: boolean;
  /** That was in force, whatever the files say by now. */
  config: Config;
  state: SavedDaemon;
  luggage: Luggage;
  /** How it was called; whoever was gone back to is called by another file. */
  program: Omit<Program, "environment">;
  configOf(service: SavedService): ServiceConfig;
  /** All has been taken up: from here on there is no way back. Tells whoever has asked for it. */
  settle(sys: Sys, emit: Emit): void;
}

/** @returns `null` for a start like any other. @throws CommandFailure for a state that cannot be read */
export function takeover(context: CliContext): Takeover | null {
  const { upgrade } = context;
  if (upgrade === null) return null;
  const { role, state: fd } = upgrade;
  const read = readState(fd);
  if (!read.ok) throw new CommandFailure(read.error);
  const travelled = read.value as Travelling<SavedDaemon>;
  const { state, fds } = travelled;
  const luggage = new Luggage([...fds, fd]);
  const config = restoreConfig(state.config, ownUid());
  if (!config.ok) throw new CommandFailure(describe("the configuration in force", config.error[0]));
  return {
    isCheck: role === "check",
    config: config.value,
    state,
    luggage,
    program: travelled.program,
    configOf(service) {
      const restored = restoreService(service, config.value.path, ownUid());
      if (restored.ok) return restored.value;
      throw new Error(describe(`service "${service[0]}"`, restored.error[0]));
    },
    settle(sys, emit) {
      dismissGuard();
      tell(context, upgrade, travelled, emit);
      luggage.closeRest(sys);
      // All of it has been loaded, and copied for the next time.
      if (role === "go back") removeUnpacked(context.program.main);
    },
  };
}

/** There is no way back any more. */
function dismissGuard(): void {
  const settled: unknown = Reflect.get(globalThis, settledKey);
  if (typeof settled === "function") settled();
}

/** What is said when nothing stands in the way. */
export function answerCheck(context: CliContext): number {
  context.stdout.write(`${JSON.stringify({ version: context.version })}\n`);
  return exitCode.done;
}

function tell(
  { version }: CliContext,
  call: UpgradeCall,
  { version: previous, savedAt, state }: Travelling<SavedDaemon>,
  emit: Emit,
): void {
  const waiting = state.control?.waiting ?? [];
  const duration_ms = Math.round(systemClock.now() - savedAt);
  if (call.role === "go back") {
    const error = `the installed version could not take over: ${call.reason}`;
    emit({ event: "daemon.upgrade", error });
    answerWaiting(waiting, { ok: false, error: { error } });
    return;
  }
  emit({ event: "daemon.upgrade", version, previous, duration_ms });
  answerWaiting(waiting, { ok: true, value: { version, previous, gap_ms: duration_ms } });
}

function describe(what: string, problem: Parameters<typeof formatProblem>[0] | undefined): string {
  return `${what} is not valid here: ${problem === undefined ? "unknown" : formatProblem(problem)}`;
}
