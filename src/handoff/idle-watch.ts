/**
 * Watches workers that accept by themselves for idleness: asks the kernel now and then what is open at their
 * listeners, while they run and never else. TCP connections that come and go between two questions are announced by
 * the kernel as they end, so that none is overlooked.
 */
import type { Fd, Watch } from "../native/sys.ts";
import { READABLE } from "../native/sys.ts";
import { openDestroyed, readDestroyed } from "../net/destroyed.ts";
import type { BoundListener } from "../net/listen.ts";
import type { Timer } from "../util/clock.ts";
import type { HandoffHost } from "./handoff.ts";
import { busy, type Idleness, isIdle, nextSampleMs, sampled } from "./idle.ts";

export interface IdleWatch {
  /** Workers run from now on: begins to look, or begins anew. */
  start(): void;
  /** None runs any more. */
  stop(): void;
}

/** What is told of the end of connections is read at most this often: it is only to be known that there were some. */
const readEveryMs = 50;

/**
 * @param listeners those whose connections count
 * @param isQuiet whether nobody is connected nor about to be, at this moment
 * @param onIdle it has been quiet for `timeoutMs`; `start` is called again if the workers stay
 */
export function createIdleWatch(
  host: Pick<HandoffHost, "sys" | "clock">,
  timeoutMs: number,
  listeners: () => readonly BoundListener[],
  isQuiet: () => boolean,
  onIdle: () => void,
): IdleWatch {
  const { sys, clock } = host;
  let idleness: Idleness = busy;
  let timer: Timer | null = null;
  let ends: { fd: Fd; watch: Watch; pause: Timer | null } | null = null;

  function look(): void {
    const now = clock.now();
    idleness = sampled(idleness, isQuiet(), now);
    if (isIdle(idleness, timeoutMs, now)) onIdle();
    else timer = clock.after(nextSampleMs(idleness, timeoutMs, now), look);
  }

  function hear(): void {
    const ports = listeners().flatMap(({ kind, address }) =>
      kind === "tcp" && address.family !== "unix" ? [address.port] : [],
    );
    if (ports.length === 0) return;
    const fd = openDestroyed(sys, ports);
    const watch = sys.watch(fd, () => heard());
    watch.start(READABLE);
    watch.unref();
    ends = { fd, watch, pause: null };
  }

  /** Somebody was here: the quiet begins anew, whoever it was. */
  function heard(): void {
    if (ends === null) return;
    while (readDestroyed(sys, ends.fd) !== null) idleness = busy;
    ends.watch.stop();
    ends.pause = clock.after(readEveryMs, () => ends?.watch.start(READABLE));
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
    start() {
      stop();
      idleness = busy;
      hear();
      timer = clock.after(nextSampleMs(idleness, timeoutMs, clock.now()), look);
    },
    stop,
  };
}
