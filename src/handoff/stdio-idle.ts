/**
 * `idle_timeout` of `stdio`: a handler whose connection has carried no byte in either direction for so long is ended.
 * The kernel keeps the time of the last byte of each TCP connection: one question for all connections of the service,
 * asked while there are any. Of a Unix stream it keeps none; there it counts whether the handler's processes have run.
 */
import type { Fd } from "../native/sys.ts";
import { contextSwitches } from "../process/activity.ts";
import type { Timer } from "../util/clock.ts";
import type { HandlerRef, HandoffHost, Incoming } from "./handoff.ts";
import { latenessMs, sampleEveryMs } from "./idle.ts";

interface Watched {
  handler: HandlerRef;
  /** Of a TCP connection. */
  cookie: string | null;
  /** Of a Unix one: how often its processes had run when they were last seen to, and when that was. */
  switches: number;
  since: number;
}

export interface StdioIdle {
  /** Borrows the connection, which is not handed over yet. */
  add(incoming: Incoming, fd: Fd, handler: HandlerRef): void;
  remove(pid: number): void;
}

export function watchStdioIdle(host: HandoffHost, timeoutMs: number): StdioIdle {
  const { sys, clock } = host;
  const watched = new Map<number, Watched>();
  let timer: Timer | null = null;

  function look(): void {
    timer = null;
    const now = clock.now();
    const tcp = host.tcpIdleMs();
    let soonest = timeoutMs;
    for (const [pid, entry] of watched) {
      const idleMs = entry.cookie === null ? restedMs(pid, entry, now) : (tcp.get(entry.cookie) ?? 0);
      if (idleMs >= timeoutMs) {
        watched.delete(pid);
        entry.handler.stop("idle_timeout");
      } else soonest = Math.min(soonest, timeoutMs - idleMs);
    }
    // Not for each connection at its very moment: together, within the lateness that is allowed.
    schedule(Math.max(soonest, Math.min(latenessMs(timeoutMs) / 2, sampleEveryMs(timeoutMs))));
  }

  function schedule(delayMs: number): void {
    if (watched.size > 0) timer ??= clock.after(delayMs, look);
  }

  return {
    add({ remote }, fd, handler) {
      const cookie = remote.family === "unix" ? null : sys.socketCookie(fd);
      watched.set(handler.pid, { handler, cookie, switches: -1, since: clock.now() });
      schedule(cookie === null ? sampleEveryMs(timeoutMs) : timeoutMs);
    },
    remove(pid) {
      watched.delete(pid);
      if (watched.size > 0) return;
      timer?.cancel();
      timer = null;
    },
  };
}

/** How long the handler's processes have certainly not run: since they were first seen at this number of switches. */
function restedMs(pid: number, entry: Watched, now: number): number {
  const switches = contextSwitches(pid);
  if (switches !== entry.switches) {
    entry.switches = switches;
    entry.since = now;
  }
  return now - entry.since;
}
