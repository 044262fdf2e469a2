/** A host for handoffs whose workers accept by themselves: the kernel, the clock and the worker are in the test's hands. */
import type { ServiceConfig } from "../../../src/config/config.ts";
import type { HandlerRef, Handoff, HandoffHost } from "../../../src/handoff/handoff.ts";
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
  const kernel = { quiet: true, deserted: true };
  let settle: (frozen: boolean) => void = () => {};
  const worker: HandlerRef = {
    pid: 7,
    wasReady: true,
    isStopping: false,
    worked: () => {},
    rested: () => {},
    saysReady: () => {},
    stop: (reason) => log.push(`stop: ${reason}`),
    freeze: (onSettled) => {
      log.push("freeze");
      settle = onSettled;
    },
    thaw: () => log.push("thaw"),
  };
  const host = {
    config: {
      workers: { min: 0, max: 1 },
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
    launch: () => [{ ok: true, value: worker }],
    listeners: () => [listener],
    waiting: () => [],
    queueLength: () => 0,
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
  handoff.readable(listener);
  return { handoff, worker, kernel, pass, done, settle: (frozen: boolean) => settle(frozen) };
}
