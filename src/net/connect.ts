/**
 * Connects a stream socket without waiting for it: to the first of some addresses where somebody answers. Nothing is
 * tried twice here but what is only a queue that is full at the moment.
 */
import {
  type Domain,
  type Fd,
  isSystemError,
  type SocketAddress,
  type Sys,
  type Watch,
  WRITABLE,
} from "../native/sys.ts";
import type { Clock, Timer } from "../util/clock.ts";
import { err, ok, type Result } from "../util/result.ts";
import { constant } from "./constants.ts";

/** The parts of the world that connecting needs. */
export interface ConnectWorld {
  sys: Pick<Sys, "connect" | "close" | "watch" | "getsockname" | "getpeername" | "setsockopt" | "constants">;
  clock: Clock;
  /** Makes the socket, non-blocking. @throws a system error */
  openSocket(domain: Domain): Fd;
}

/** A Unix socket whose queue is full announces nothing when it has room again (connect(2), EAGAIN). */
const fullQueuePauseMs = 10;

/**
 * @param targets tried in their order, until one takes the connection
 * @param timeoutMs for all of them together
 * @param done gets the connected descriptor (non-blocking), which is the caller's from then on, or the errno's name of
 *   the last try; may be called before this returns
 * @returns gives up: `done` is not called any more
 */
export function connectFirst(
  world: ConnectWorld,
  targets: readonly SocketAddress[],
  timeoutMs: number,
  done: (outcome: Result<Fd, string>) => void,
): () => void {
  const { sys, clock } = world;
  let fd: Fd | null = null;
  let watch: Watch | null = null;
  let pause: Timer | null = null;
  let deadline: Timer | null = null;

  function release(): void {
    pause?.cancel();
    watch?.close();
    watch = null;
    if (fd !== null) sys.close(fd);
    fd = null;
  }

  function settle(outcome: Result<Fd, string>): void {
    deadline?.cancel();
    done(outcome);
  }

  function connected(): void {
    const taken = fd;
    fd = null;
    release();
    if (taken !== null) settle(ok(taken));
  }

  function next(index: number, lastCode: string): void {
    release();
    const target = targets[index];
    if (target === undefined) {
      settle(err(lastCode));
      return;
    }
    const failed = (code: string) => next(index + 1, code);
    const step = () => attempt(target, step, failed);
    try {
      fd = world.openSocket(target.family);
    } catch (error) {
      failed(codeOf(error));
      return;
    }
    step();
  }

  function attempt(target: SocketAddress, again: () => void, failed: (code: string) => void): void {
    if (fd === null) return;
    const progress = ask(sys, fd, target);
    if (progress === "connected") {
      connected();
      return;
    }
    if (progress !== "under way") {
      failed(progress.code);
      return;
    }
    deadline ??= clock.after(timeoutMs, () => {
      release();
      settle(err("ETIMEDOUT"));
    });
    if (target.family === "unix") {
      pause = clock.after(fullQueuePauseMs, again);
      return;
    }
    watch ??= sys.watch(fd, again);
    watch.start(WRITABLE);
  }

  next(0, "EADDRNOTAVAIL");
  return () => {
    deadline?.cancel();
    release();
  };
}

/** Asked again, connect(2) tells how the connection that is under way has come out. */
function ask(
  sys: ConnectWorld["sys"],
  fd: Fd,
  target: SocketAddress,
): "connected" | "under way" | { code: string } {
  try {
    if (target.family === "unix") return sys.connect(fd, target) ? "connected" : "under way";
    // On loopback the second question finds the connection made, and no turn of the event loop is needed.
    if (!sys.connect(fd, target) && !sys.connect(fd, target)) return "under way";
    return isItself(sys, fd) ? { code: "ECONNREFUSED" } : "connected";
  } catch (error) {
    return { code: codeOf(error) };
  }
}

/**
 * Whether a socket has met itself: without anybody who listens, a TCP connection to a port of our own may get that very
 * port as its source, and then both ends are the same (RFC 9293 section 3.5, simultaneous open). It is reset, so that
 * the port is free for the one who was meant.
 */
function isItself(sys: ConnectWorld["sys"], fd: Fd): boolean {
  const local = sys.getsockname(fd);
  const peer = sys.getpeername(fd);
  if (local.family === "unix" || peer.family === "unix") return false;
  if (peer.port !== local.port || peer.address !== local.address) return false;
  const linger = new Uint8Array(new Int32Array([1, 0]).buffer);
  sys.setsockopt(fd, constant(sys, "SOL_SOCKET"), constant(sys, "SO_LINGER"), linger);
  return true;
}

function codeOf(error: unknown): string {
  if (!isSystemError(error)) throw error;
  return error.code;
}
