/** A host for handoffs whose workers accept by themselves: the kernel, the clock and the worker are in the test's hands. */
import { expect } from "vitest";
import type { ServiceConfig } from "../../../src/config/config.ts";
import type { Handoff, HandoffHost, RestoredHandler } from "../../../src/handoff/handoff.ts";
import type { Sys } from "../../../src/native/sys.ts";
import type { BoundListener } from "../../../src/net/listen.ts";

export interface Circumstances {
  listener: BoundListener;
  config?: Partial<ServiceConfig>;
  sys?: Partial<Sys>;
}

/** A handoff with one worker, started just now; it goes after a second in which nobody is there. */
export function setUp(create: (host: HandoffHost) => Handoff, { listener, config, sys }: Circumstances) {
  let now = 0;
  const due = new Map<object, { at: number; callback: () => void }>();
  const log: string[] = [];
  const kernel = { quiet: true, deserted: true, waiting: [] as string[] };
  let settle: (frozen: boolean) => void = () => {};
  const workers: RestoredHandler[] = [];
  const newWorker = (): RestoredHandler => {
    let isStopping = false;
    const worker: RestoredHandler = {
      connection: null,
      pid: 7 + workers.length,
      wasReady: true,
      get isStopping() {
        return isStopping;
      },
      worked: () => {},
      rested: () => {},
      saysReady: () => {},
      stop: (reason) => {
        isStopping = true;
        log.push(`stop: ${reason}`);
      },
      freeze: (onSettled) => {
        log.push("freeze");
        settle = onSettled;
      },
      thaw: () => log.push("thaw"),
    };
    workers.push(worker);
    return worker;
  };
  const bound = [listener];
  const host = {
    config: {
      workers: { min: 0, max: 1, connections: null, maxServed: null },
      idleTimeout: 1_000,
      onIdle: "stop",
      maxFrozen: 60_000,
      stopTimeout: 30_000,
      listenPid: "exec",
      restart: "on-failure",
      ...config,
    },
    sys: { setBlocking: () => {}, ...sys },
    clock: {
      now: () => now,
      after(delayMs: number, callback: () => void) {
        const timer = { cancel: () => due.delete(timer) };
        due.set(timer, { at: now + delayMs, callback });
        return timer;
      },
    },
    launch: () => [{ ok: true, value: newWorker() }],
    listeners: () => bound,
    waiting: () => kernel.waiting,
    queueLength: ({ kind }: BoundListener) => (kind === "tcp" ? kernel.waiting.length : null),
    mayGoOn: () => true,
    isStopped: () => false,
    repair: () => {},
    ended: (failure: string | null) => log.push(`ended: ${failure ?? "well"}`),
    dropDatagram: () => log.push("dropped"),
    isQuiet: () => kernel.quiet,
    isDeserted: () => kernel.deserted,
    rewatch: () => {},
  } as unknown as HandoffHost;
  const handoff = create(host);
  const pass = (ms: number) => {
    const end = now + ms;
    for (;;) {
      const [next] = [...due].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (next === undefined) break;
      due.delete(next[0]);
      now = next[1].at;
      next[1].callback();
    }
    now = end;
  };
  /** What was done since the last time. */
  const done = () => log.splice(0);
  /** `ms` in which another process takes the place of this one, by what is saved; its one listener is there anew. */
  const upgrade = (from: Handoff, ms = 0) => {
    const told = from.save((fd) => fd);
    const saved = JSON.parse(JSON.stringify(told));
    expect(saved).toStrictEqual(told);
    due.clear();
    now += ms;
    const listeners = bound.map((one): BoundListener => JSON.parse(JSON.stringify(one)));
    bound.splice(0, bound.length, ...listeners);
    const [first = listener] = listeners;
    const next = create(host);
    next.restore(saved, {
      claim: (fd) => fd,
      handlers: new Map(workers.map((ref) => [ref.pid, ref])),
      listeners,
    });
    return { handoff: next, listener: first };
  };
  handoff.readable(listener);
  const [worker = newWorker()] = workers;
  return {
    host,
    handoff,
    worker,
    workers,
    kernel,
    pass,
    done,
    upgrade,
    settle: (frozen: boolean) => settle(frozen),
  };
}
