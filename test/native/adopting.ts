/** A daemon's processes over several images of it, each of which adopts the handlers of the one before. */
import { constants } from "node:os";
import { expect, onTestFailed } from "vitest";
import type { DaemonEvent } from "../../src/log/events.ts";
import type { ChildExit, Fd } from "../../src/native/sys.ts";
import { openCgroupHome } from "../../src/process/cgroup-home.ts";
import { environmentOf, listProcesses } from "../../src/process/proc.ts";
import { type HandlerService, Processes, type Started } from "../../src/process/processes.ts";
import { asRead, claim, newImage } from "./image.ts";
import { ready, shell, sys } from "./support.ts";

export type Mechanism = "process" | "group" | "descent" | "cgroup";

/** Those that can be had here. A cgroup: for root, unless systemd runs this machine or the kernel is older than 5.14. */
export const mechanisms: readonly Mechanism[] = [
  "process",
  "group",
  "descent",
  ...(hasCgroups() ? ["cgroup" as const] : []),
];

export interface Handler {
  started: Started;
  /** How it ends, as its image is told; another promise for each image. */
  exit: Promise<ChildExit>;
  /** The other ends of its standard input and output. */
  input: Fd;
  output: Fd;
}

export interface Daemon {
  /** Of all images. */
  readonly events: readonly DaemonEvent[];
  /** Those of the image that is at work. */
  readonly processes: Processes;
  /** A handler that runs `script` in a shell. */
  start(script: string): Handler;
  /**
   * The next image goes on with these handlers; before, as for every upgrade, it is tried whether it can.
   * @param meanwhile happens when the one is gone and the other not there yet
   */
  upgrade(handlers: readonly Handler[], meanwhile?: () => Promise<void>): Promise<void>;
  close(): void;
}

/** In the environment of all that these tests start. */
const mark = `TINETD_TEST=${process.pid}`;

/** @param stopTimeout of its only service, in milliseconds */
export function openDaemon(mechanism: Mechanism, stopTimeout: number | null = null): Daemon {
  const killMode = mechanism === "cgroup" || mechanism === "descent" ? "tree" : mechanism;
  const service: HandlerService = { name: "test", killMode, stopSignal: "SIGTERM", stopTimeout };
  const findCgroups = () => (mechanism === "cgroup" ? openCgroupHome(sys, process.pid) : null);
  const events: DaemonEvent[] = [];
  let image = newImage();
  let processes = open(null);
  onTestFailed(killAll);

  function open(state: ReturnType<Processes["save"]> | null): Processes {
    const world = { ...image, emit: (event: DaemonEvent) => void events.push(event), pid: process.pid };
    return new Processes(world, findCgroups, state === null ? null : { state, claim });
  }

  return {
    events,
    get processes() {
      return processes;
    },
    start(script) {
      const [input, writer] = sys.pipe();
      const [reader, output] = sys.pipe();
      let onEnd = (_exit: ChildExit) => {};
      const exit = new Promise<ChildExit>((resolve) => {
        onEnd = resolve;
      });
      const start = {
        plan: sys.prepare(shell(script)),
        descriptors: [input, output, output],
        variables: ["TINETD_SERVICE=test", mark],
        connection: null,
        onEnd,
      };
      const [started] = processes.start(service, [start]);
      sys.close(input);
      sys.close(output);
      if (started?.ok !== true) throw new Error(JSON.stringify(started));
      return { started: started.value, exit, input: writer, output: reader };
    },
    async upgrade(handlers, meanwhile) {
      const { carry } = image;
      processes.save(claim);
      for (const { started } of handlers) started.save(claim);
      const state = asRead(processes.save(carry));
      const saved = asRead(handlers.map(({ started }) => started.save(carry)));
      process.removeAllListeners("SIGCHLD");
      image.replace();
      await meanwhile?.();
      image = newImage();
      processes = open(state);
      let restored = false;
      for (const [index, one] of saved.entries()) {
        const handler = handlers[index];
        if (handler === undefined) throw new Error("nobody has saved this one");
        handler.exit = new Promise((resolve) => {
          handler.started = processes.adopt(service, one, claim, (exit) => {
            expect(restored).toBe(true);
            resolve(exit);
          });
        });
      }
      processes.begin();
      restored = true;
    },
    close() {
      processes.close();
      image.replace();
      // Orphans that have ended would have been reaped a little later.
      for (let pid = sys.peekEndedChild(); pid !== null; pid = sys.peekEndedChild()) sys.waitPid(pid);
    },
  };
}

function hasCgroups(): boolean {
  const home = openCgroupHome(sys, process.pid);
  home?.close();
  return home !== null;
}

/** Nothing of a failed test may live on. */
function killAll(): void {
  for (const { pid } of listProcesses()) {
    if (environmentOf(pid)?.includes(mark) === true) process.kill(pid, SIGKILL);
  }
}

/** What it has written until now, at least something. */
export async function readSome(fd: Fd): Promise<string> {
  await ready(fd);
  const buffer = Buffer.alloc(4096);
  return buffer.toString("latin1", 0, sys.read(fd, buffer) ?? 0);
}

export const { SIGTERM, SIGKILL } = constants.signals;
