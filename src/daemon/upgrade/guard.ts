/**
 * Stands by the process that takes over an upgrade, until that has taken up everything: if it throws or ends before, for
 * whatever reason, the guard executes the program that was there before, by the same state.
 *
 * It is of the version before, and loaded ahead of anything of the new one (`node --import`, as a text in the environment,
 * program.ts), so that it depends on nothing that was installed since. What it cannot see is a new
 * version that is killed, or that computes without end.
 */
import type { Sys } from "../../native/sys.ts";
import { type KeptCode, unpackCode } from "./kept-code.ts";
import { commandOf, type Program, settledKey, takeCall } from "./program.ts";
import { readState } from "./state-file.ts";

/** A takeover takes less than a second. */
const patienceMs = 60_000;

interface WayBack {
  fds: number[];
  code: KeptCode;
  program: Omit<Program, "environment">;
}

const { call, environment } = takeCall(process.env);
if (call?.role === "take over") watchOver(call.state);

function watchOver(state: number): void {
  const onError = (error: unknown) => goBack(state, error instanceof Error ? error.message : String(error));
  const onExit = (code: number) => goBack(state, `it ended with ${code}`);
  process.prependListener("uncaughtException", onError);
  process.prependListener("exit", onExit);
  const patience = setTimeout(() => goBack(state, "it has not taken over in time"), patienceMs);
  Object.assign(globalThis, {
    [settledKey]: () => {
      process.off("uncaughtException", onError);
      process.off("exit", onExit);
      clearTimeout(patience);
    },
  });
}

/** @param reason why the new one cannot take over */
function goBack(state: number, reason: string): never {
  const read = readState(state);
  if (!read.ok) throw new Error(read.error);
  const { fds, code, program } = read.value as WayBack;
  const sys = loadKept(code.addon);
  const {
    file,
    argv,
    environment: variables,
  } = commandOf({ ...program, environment }, { role: "go back", state, reason }, unpackCode(code));
  for (const fd of [0, 1, 2, state, ...fds]) sys.setCloseOnExec(fd, false);
  return sys.exec(file, argv, variables);
}

/** That of the new version may be what is wrong. */
function loadKept(addon: number): Sys {
  const module = { exports: {} };
  process.dlopen(module, `/proc/self/fd/${addon}`);
  return module.exports as Sys;
}
