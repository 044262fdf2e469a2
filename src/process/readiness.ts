/**
 * How a worker shows that it is ready, from its start to the moment it does: by saying so (`notify`, a line on a
 * descriptor, a line of its log) or by being asked (`connect`, `http`). One function makes the watcher of a start, so
 * that who starts a worker need not know the kinds.
 */
import type { Ready } from "../config/config.ts";
import type { Carry } from "../native/carry.ts";
import type { Fd, Sys, Watch } from "../native/sys.ts";
import { isSystemError, READABLE } from "../native/sys.ts";
import type { Endpoint } from "../net/address.ts";
import { Target } from "../net/target.ts";
import type { Clock, Timer } from "../util/clock.ts";
import { unreachable } from "../util/unreachable.ts";
import { askHttp, type ProbeTarget, tryConnect } from "./probe.ts";

export interface ReadinessWorld {
  sys: Sys;
  clock: Clock;
  /** Whom `{ http }` asks; `null` if the service has no such place. */
  target: ProbeTarget | null;
  /** Where `connect` knocks. */
  upstream: Endpoint | null;
}

/** The watcher of one start. */
export interface Readiness {
  /** Further variables of the start. */
  readonly variables: readonly string[];
  /** A further descriptor of the start, to be put behind the others; borrowed for the spawn. */
  readonly descriptor: Fd | null;
  /** The worker runs: look from now on. `onReady` may be called at once. */
  started(onReady: () => void): void;
  /** It has said READY=1. */
  notified(): void;
  /** It has written a line on stderr. */
  line(text: string): void;
  /** For `resumeReadiness` in another process image; after the start. */
  save(carry: Carry): SavedReadiness;
  /** Ends the watching, whether it is ready or not. Safe to call twice. */
  close(): void;
}

export interface SavedReadiness {
  /** Of `fd`, until it has said something: our end of the pipe. */
  reader: Fd | null;
}

/** What waiting for `NOTIFY_SOCKET` and for a line of the log needs beside this file is done by who gets them. */
const nothing: Readiness = {
  variables: [],
  descriptor: null,
  started: () => {},
  notified: () => {},
  line: () => {},
  save: () => ({ reader: null }),
  close: () => {},
};

/**
 * @param descriptor the number that a further descriptor of the start will have
 */
export function watchReadiness(ready: Ready, world: ReadinessWorld, descriptor: number): Readiness {
  if (ready === "spawn") return { ...nothing, started: (onReady) => onReady() };
  if (ready === "notify") return once((onReady) => ({ notified: onReady }));
  if (ready === "fd") return onDescriptor(world.sys, descriptor);
  if (ready === "connect") return asking(world.clock, knocking(world));
  if ("http" in ready) return asking(world.clock, asksFor(world, ready.http));
  if ("log" in ready) {
    const pattern = new RegExp(ready.log);
    return once((onReady) => ({ line: (text) => void (pattern.test(text) && onReady()) }));
  }
  return unreachable(ready);
}

/**
 * The watcher of a start that another process image of ours has made. `started` is to be called if the worker was not
 * ready yet: what it has said since it was saved is heard then, and asking begins anew.
 */
export function resumeReadiness(
  ready: Ready,
  world: ReadinessWorld,
  { reader }: SavedReadiness,
  claim: Carry,
): Readiness {
  // Its listener has gone meanwhile: then start_timeout alone ends the wait.
  if (typeof ready === "object" && "http" in ready && world.target === null) return nothing;
  if (ready !== "fd") return watchReadiness(ready, world, -1);
  return reader === null ? nothing : hearing(world.sys, claim(reader));
}

/** A watcher that is told from outside, and tells it on at most once. */
function once(react: (onReady: () => void) => Partial<Pick<Readiness, "notified" | "line">>): Readiness {
  let tell: (() => void) | null = null;
  const reactions = react(() => {
    const callback = tell;
    tell = null;
    callback?.();
  });
  return {
    ...nothing,
    ...reactions,
    started: (onReady) => {
      tell = onReady;
    },
    close: () => {
      tell = null;
    },
  };
}

/** `fd`: a newline on the descriptor named in TINETD_READY_FD (the convention of s6). */
function onDescriptor(sys: Sys, descriptor: number): Readiness {
  const [reader, writer] = sys.pipe();
  const heard = hearing(sys, reader);
  let writerOpen = true;
  const closeWriter = () => {
    if (writerOpen) sys.close(writer);
    writerOpen = false;
  };
  return {
    ...heard,
    variables: [`TINETD_READY_FD=${descriptor}`],
    descriptor: writer,
    started(onReady) {
      closeWriter();
      heard.started(onReady);
    },
    close() {
      closeWriter();
      heard.close();
    },
  };
}

/** Our end of it. Keeps `reader`. */
function hearing(sys: Sys, reader: Fd): Readiness {
  let watch: Watch | null = null;
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    watch?.close();
    sys.close(reader);
  };
  return {
    ...nothing,
    save: (carry) => ({ reader: open ? carry(reader) : null }),
    started(onReady) {
      watch = sys.watch(reader, () => {
        const said = readSome(sys, reader);
        if (said === null) return;
        // The end without a newline says nothing: it will be stopped at start_timeout unless it ends before.
        close();
        if (said.includes("\n")) onReady();
      });
      watch.start(READABLE);
    },
    close,
  };
}

/** `null`: nothing yet. */
function readSome(sys: Sys, fd: Fd): string | null {
  const buffer = Buffer.alloc(256);
  try {
    const length = sys.read(fd, buffer);
    return length === null ? null : buffer.toString("latin1", 0, length);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return "";
  }
}

/** Between two questions to a worker that does not answer yet: a small part of the time that it has taken so far. */
const shortestPauseMs = 5;
const longestPauseMs = 250;
const pauseGrowth = 1.3;

/** One question. @returns aborts it */
type Ask = (done: (answered: boolean) => void) => () => void;

function knocking({ sys, clock, upstream }: ReadinessWorld): Ask {
  if (upstream === null) throw new Error("there is nowhere to knock");
  const target = new Target({ sys, clock, openSocket: (domain) => sys.socket(domain, "stream") }, upstream);
  return (done) => tryConnect(sys, target, done);
}

function asksFor({ target }: ReadinessWorld, path: string): Ask {
  if (target === null) throw new Error("there is nobody to ask");
  return (done) => askHttp(target, path, done);
}

/** `connect` and `http`: asks again and again. The worker's end or start_timeout ends that. */
function asking(clock: Clock, ask: Ask): Readiness {
  let timer: Timer | null = null;
  let abort: (() => void) | null = null;
  let closed = false;
  const close = () => {
    closed = true;
    timer?.cancel();
    abort?.();
  };
  return {
    ...nothing,
    started(onReady) {
      let pauseMs = shortestPauseMs;
      const question = () => {
        abort = ask((answered) => {
          if (closed) return;
          if (answered) {
            close();
            onReady();
            return;
          }
          timer = clock.after(pauseMs, question);
          pauseMs = Math.min(longestPauseMs, pauseMs * pauseGrowth);
        });
      };
      question();
    },
    close,
  };
}
