/**
 * `listen`: workers get all listening sockets of the service from 3 on and accept by themselves, by the protocol of
 * sd_listen_fds(3). The first is started when somebody knocks; while any runs, tinetd only looks, now and then, whether
 * connections wait that the workers do not get to, and starts another. All workers share the same open sockets: with
 * one socket each (SO_REUSEPORT), the queue of a worker that goes would go with it.
 */
import type { BoundListener } from "../net/listen.ts";
import { isEmptied } from "../net/waiting.ts";
import type { Timer } from "../util/clock.ts";
import {
  type Handoff,
  type HandoffHost,
  keepsNothing,
  type StandardDescriptors,
  type Start,
} from "./handoff.ts";

/** How often the queues are looked at while fewer workers run than may. */
const sampleMs = 250;

export function createListen(host: HandoffHost): Handoff {
  const { max } = host.config.workers;
  /** What waited when each worker was started. */
  const workers = new Map<number, readonly string[]>();
  let timer: Timer | null = null;

  const waiting = () => host.listeners().flatMap((listener) => host.waiting(listener));

  function start(): void {
    const listeners = host.listeners();
    const before = waiting();
    for (const { fd } of listeners) host.sys.setBlocking(fd, true);
    const started = host.launch((standard) => startListen(listeners, host.config.listenPid, standard), null);
    if (!started.ok) return;
    workers.set(started.value.pid, before);
    host.rewatch();
    sampleLater();
  }

  function sampleLater(): void {
    timer?.cancel();
    timer = workers.size === 0 || workers.size >= max ? null : host.clock.after(sampleMs, sample);
  }

  function sample(): void {
    if (host.mayGoOn() && waiting().length > 0) start();
    else sampleLater();
  }

  function gone({ pid }: { pid: number }): void {
    const before = workers.get(pid);
    if (before === undefined) return;
    workers.delete(pid);
    sampleLater();
    if (workers.size > 0) return;
    for (const listener of host.listeners()) host.repair(listener);
    host.ended(isEmptied(before, waiting()) ? null : "the worker took nothing from its sockets");
    host.rewatch();
  }

  return { ...keepsNothing, accepts: false, readable: start, holds: () => workers.size > 0, gone };
}

/** `listen_pid = "omit"` is for commands that are wrappers: their child could not show the pid that is expected. */
export function startListen(
  listeners: readonly BoundListener[],
  listenPid: "exec" | "omit",
  { nothing, stderr, chosen }: StandardDescriptors,
): Start {
  const second = stderr === "connection" ? nothing : stderr;
  const variables = [
    `LISTEN_FDS=${listeners.length}`,
    `LISTEN_FDNAMES=${listeners.map(({ name }) => name).join(":")}`,
    // Filled in by the spawn, which alone knows the pid.
    ...(listenPid === "exec" ? ["LISTEN_PID="] : []),
  ];
  return {
    descriptors: [nothing, second, second, ...listeners.map(({ fd }) => fd)],
    variables: variables.filter((variable) => !chosen.has(variable.slice(0, variable.indexOf("=")))),
  };
}
