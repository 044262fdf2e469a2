/**
 * Watches workers that accept by themselves for idleness: asks the kernel now and then what is open at their
 * listeners, while they run and never else. TCP connections that come and go between two questions are announced by
 * the kernel as they end, so that none is overlooked.
 */
import type { Carry } from "../native/carry.ts";
import type { Fd, Watch } from "../native/sys.ts";
import { READABLE } from "../native/sys.ts";
import { openDestroyed, readDestroyed } from "../net/destroyed.ts";
import type { BoundListener } from "../net/listen.ts";
import type { Timer } from "../util/clock.ts";
import type { HandoffHost } from "./handoff.ts";
import { busy, type Idleness, isIdle, nextSampleMs, sampled } from "./idle.ts";

export interface IdleWatch {
  /** Workers run from now on: begins to look, or begins anew. Without a timeout it does nothing. */
  start(): void;
  /** The same, but it goes on with what it has seen if it looks already: only the timeout may be another. */
  goOn(): void;
  /** None runs any more. */
  stop(): void;
  /** For `restore` in another process (an upgrade); `null` if it does not look. */
  save(carry: Carry): SavedIdleWatch | null;
  restore(saved: SavedIdleWatch | null, claim: Carry): void;
}

export interface SavedIdleWatch {
  /** On the monotonic clock; `null` if somebody was there at the last look. */
  quietSince: number | null;
  /** Where the kernel tells of the end of connections: also of those between the two processes. */
  ends: Fd | null;
}

/** What is told of the end of connections is read at most this often: it is only to be known that there were some. */
const readEveryMs = 50;

/**
 * @param timeoutMs asked at each look; `null` for never
 * @param listeners those whose connections count
 * @param isQuiet whether nobody is connected nor about to be, at this moment
 * @param onIdle it has been quiet for `timeoutMs`; `start` is called again if the workers stay
 */
export function createIdleWatch(
  host: Pick<HandoffHost, "sys" | "clock">,
  timeoutMs: () => number | null,
  listeners: () => readonly BoundListener[],
  isQuiet: () => boolean,
  onIdle: () => void,
): IdleWatch {
  const { sys, clock } = host;
  let idleness: Idleness = busy;
  let timer: Timer | null = null;
  /** By which timeout the next look was planned. */
  let planned = 0;
  let ends: { fd: Fd; watch: Watch; pause: Timer | null } | null = null;

  function look(): void {
    const timeout = timeoutMs();
    if (timeout === null) {
      stop();
      return;
    }
    timer = null;
    readEnds();
    const now = clock.now();
    idleness = sampled(idleness, isQuiet(), now);
    if (isIdle(idleness, timeout, now)) onIdle();
    else lookLater(timeout);
  }

  function lookLater(timeout: number): void {
    planned = timeout;
    timer = clock.after(nextSampleMs(idleness, timeout, clock.now()), look);
  }

  /** At once: later there may be no descriptor left. */
  function openEnds(): void {
    const ports = listeners().flatMap(({ kind, address }) =>
      kind === "tcp" && address.family !== "unix" ? [address.port] : [],
    );
    if (ports.length > 0) hear(openDestroyed(sys, ports));
  }

  /** Keeps `fd`. */
  function hear(fd: Fd): void {
    const watch = sys.watch(fd, () => heard());
    watch.start(READABLE);
    watch.unref();
    ends = { fd, watch, pause: null };
  }

  function heard(): void {
    if (ends === null) return;
    readEnds();
    ends.watch.stop();
    ends.pause = clock.after(readEveryMs, () => ends?.watch.start(READABLE));
  }

  /** Somebody was here: the quiet begins anew, whoever it was. */
  function readEnds(): void {
    if (ends === null) return;
    while (readDestroyed(sys, ends.fd) !== null) idleness = busy;
  }

  function start(): void {
    stop();
    const timeout = timeoutMs();
    if (timeout === null) return;
    idleness = busy;
    openEnds();
    lookLater(timeout);
  }

  function stop(): void {
    timer?.cancel();
    timer = null;
    if (ends === null) return;
    ends.pause?.cancel();
    ends.watch.close();
    sys.close(ends.fd);
    ends = null;
  }

  return {
    start,
    goOn() {
      const timeout = timeoutMs();
      if (timer === null) start();
      else if (timeout === null) stop();
      else if (timeout !== planned) {
        timer.cancel();
        lookLater(timeout);
      }
    },
    stop,
    save(carry) {
      if (timer === null) return null;
      return { quietSince: idleness.quietSince, ends: ends === null ? null : carry(ends.fd) };
    },
    restore(saved, claim) {
      if (saved === null) return;
      if (saved.ends !== null) hear(claim(saved.ends));
      idleness = { quietSince: saved.quietSince };
      // The look itself stops if there is no timeout any more.
      lookLater(timeoutMs() ?? 0);
    },
  };
}
