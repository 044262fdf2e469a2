/** A running daemon in the hands of a test: what it says, what the kernel says about it, and its end. */
import type { ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type Status, status } from "../../../src/control/messages.ts";
import type { EventName } from "../../../src/log/events.ts";
import { getJson } from "./control.ts";
import type { EventLog, Logged, Match } from "./event-log.ts";
import { descendantsOf, descriptorCount, type Memory, memoryOf } from "./proc.ts";

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Rig extends AsyncDisposable {
  readonly pid: number;
  readonly directory: string;
  /** The configuration file, to be written anew before a reload. */
  readonly configPath: string;
  readonly controlSocket: string;
  /** All events so far, in order. */
  readonly events: readonly Logged[];
  /** What the daemon wrote to stderr that is no event. */
  readonly otherLines: readonly string[];
  /** The first event of that name that matches, past or future (`EventLog.wait`). */
  event<N extends EventName>(name: N, match?: Match<N>, options?: { after?: Logged }): Promise<Logged<N>>;
  /** How many handlers were started before that event, however late we look. */
  startsBefore(event: Logged): number;
  /** The canonical address of the service's first listener, or of its n-th. */
  address(service: string, index?: number): Promise<string>;
  /** Its port. */
  port(service: string, index?: number): Promise<number>;
  /** GET /v1/status, checked against its schema. */
  status(): Promise<Status>;
  signal(signal: NodeJS.Signals): void;
  /** Ends the daemon with SIGTERM and waits for it. */
  stop(): Promise<Exit>;
  /** Resolves when the daemon has ended, for whatever reason. */
  readonly exited: Promise<Exit>;
  /** How many descriptors the daemon has open. */
  descriptors(): number;
  memory(): Memory;
  /** The pids of the daemon's children and theirs, zombies included. */
  descendants(): number[];
}

/** A daemon that does not end by itself by then is killed, and the test fails. */
const stopPatienceMs = 20_000;

/** Puts a daemon that was just started, and whose log is followed, into the hands of a test. Keeps `directory`. */
export function createRig(
  child: ChildProcess,
  directory: string,
  configPath: string,
  log: EventLog,
  exited: Promise<Exit>,
): Rig {
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot start ${child.spawnfile}`);
  const controlSocket = join(directory, "control.sock");
  const address = async (service: string, index = 0): Promise<string> => {
    let after: Logged | undefined;
    for (let skipped = 0; ; skipped++) {
      const event = await log.wait("service.listening", { service }, after === undefined ? {} : { after });
      if (skipped === index) return event.address;
      after = event;
    }
  };
  const stop = async (): Promise<Exit> => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => killTree(pid), stopPatienceMs);
    const exit = await exited;
    clearTimeout(timer);
    return exit;
  };
  return {
    pid,
    directory,
    configPath,
    controlSocket,
    events: log.events,
    otherLines: log.otherLines,
    event: (name, match, options) => log.wait(name, match, options),
    address,
    port: async (service, index) => portOf(await address(service, index)),
    status: async () => status.parse(await getJson(controlSocket, "/v1/status")),
    signal: (signal) => void child.kill(signal),
    startsBefore: (event) =>
      log.events.slice(0, log.events.indexOf(event)).filter(({ event: name }) => name === "handler.started")
        .length,
    stop,
    exited,
    descriptors: () => descriptorCount(pid),
    memory: () => memoryOf(pid),
    descendants: () => descendantsOf(pid),
    async [Symbol.asyncDispose]() {
      const alreadyEnded = child.exitCode !== null || child.signalCode !== null;
      const exit = await stop();
      rmSync(directory, { recursive: true, force: true });
      if (!alreadyEnded && exit.signal === "SIGKILL") {
        throw new Error(`the daemon did not end within ${stopPatienceMs} ms of SIGTERM`);
      }
    },
  };
}

function portOf(address: string): number {
  const port = Number(/:(\d+)$/.exec(address)?.[1]);
  if (!Number.isInteger(port)) throw new Error(`${address} has no port`);
  return port;
}

/** The last resort for a daemon that hangs: nothing of a failed test may live on. */
function killTree(pid: number): void {
  for (const each of [pid, ...descendantsOf(pid)]) {
    try {
      process.kill(each, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}
