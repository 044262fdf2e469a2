/** Drives `fixtures/contender.ts`, a process of its own that opens listeners. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { BindFailure, BoundListener, ListenerSpec } from "../../../src/net/listen.ts";
import type { Result } from "../../../src/util/result.ts";

export interface Contender extends AsyncDisposable {
  pid: number;
  open(spec: ListenerSpec): Promise<Result<BoundListener[], BindFailure>>;
  /** Closes what it has opened, as a daemon that stops. */
  close(): Promise<void>;
  /** Leaves everything as it is. */
  kill(): Promise<void>;
}

/** @param ids the user and group to run as; default: ours */
export async function contender(ids: { uid?: number; gid?: number } = {}): Promise<Contender> {
  const fixture = new URL("fixtures/contender.ts", import.meta.url).pathname;
  const child = fork(fixture, { execArgv: ["--import", "tsx"], ...ids });
  await answer(child);
  return {
    pid: child.pid ?? 0,
    async open(spec) {
      child.send(spec);
      return (await answer(child)) as Result<BoundListener[], BindFailure>;
    },
    async close() {
      child.send("close");
      await answer(child);
    },
    async kill() {
      if (child.kill("SIGKILL")) await once(child, "exit");
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.disconnect();
      await once(child, "exit");
    },
  };
}

function answer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: unknown) => {
      child.off("exit", onExit);
      resolve(message);
    };
    const onExit = (code: number | null) => {
      child.off("message", onMessage);
      reject(new Error(`the contender ended (${code})`));
    };
    child.once("message", onMessage);
    child.once("exit", onExit);
  });
}
