/**
 * `idle_timeout` of `stdio`: a handler whose connection has carried no byte in either direction for so long is ended.
 * The kernel keeps the time of the last byte of each TCP connection: one question for all connections of the service,
 * asked while there are any. Of a Unix stream it keeps none; there it counts whether the handler's processes have run.
 *
 * Where UDP peers are served as well, the timeout is that of their flows. The configuration may change meanwhile: what
 * it says counts from the next look on, or from the next connection.
 */
import type { ServiceConfig } from "../config/config.ts";
import type { Fd } from "../native/sys.ts";
import { contextSwitches } from "../process/activity.ts";
import type { Timer } from "../util/clock.ts";
import type { HandlerRef, HandoffHost, Incoming, Restored } from "./handoff.ts";
import { latenessMs, sampleEveryMs } from "./idle.ts";
import { restoredHandler } from "./saved.ts";

interface Watched {
  handler: HandlerRef;
  /** Of a TCP connection. */
  cookie: string | null;
  /** Of a Unix one: how often its processes had run when they were last seen to, and when that was. */
  switches: number;
  since: number;
}

export interface SavedStdioIdle extends Omit<Watched, "handler"> {
  pid: number;
}

export interface StdioIdle {
  /** Borrows the connection, which is not handed over yet. */
  add(incoming: Incoming, fd: Fd, handler: HandlerRef): void;
  remove(pid: number): void;
  /** The timeout may be another. */
  review(): void;
  save(): SavedStdioIdle[];
  restore(saved: readonly SavedStdioIdle[], from: Pick<Restored, "handlers">): void;
}

export function watchStdioIdle(host: Pick<HandoffHost, "config" | "sys" | "clock" | "tcpIdleMs">): StdioIdle {
  const { sys, clock } = host;
  const watched = new Map<number, Watched>();
  let next: { timer: Timer; at: number } | null = null;

  function look(timeoutMs: number): void {
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

  /** Unless there is to be a look before anyhow: it may have been planned by a longer timeout. */
  function schedule(delayMs: number): void {
    if (watched.size === 0) return;
    const at = clock.now() + delayMs;
    if (next !== null && next.at <= at) return;
    next?.timer.cancel();
    const timer = clock.after(delayMs, () => {
      next = null;
      const timeoutMs = timeoutOf(host.config);
      if (timeoutMs !== null) look(timeoutMs);
    });
    next = { timer, at };
  }

  function review(): void {
    const timeoutMs = timeoutOf(host.config);
    if (timeoutMs !== null) schedule(sampleEveryMs(timeoutMs));
  }

  return {
    add({ remote }, fd, handler) {
      const timeoutMs = timeoutOf(host.config);
      if (timeoutMs === null) return;
      const cookie = remote.family === "unix" ? null : sys.socketCookie(fd);
      watched.set(handler.pid, { handler, cookie, switches: -1, since: clock.now() });
      schedule(cookie === null ? sampleEveryMs(timeoutMs) : timeoutMs);
    },
    remove(pid) {
      watched.delete(pid);
      if (watched.size > 0) return;
      next?.timer.cancel();
      next = null;
    },
    review,
    save: () => Array.from(watched, ([pid, { handler: _, ...entry }]) => ({ pid, ...entry })),
    restore(saved, { handlers }) {
      for (const { pid, ...entry } of saved) {
        watched.set(pid, { ...entry, handler: restoredHandler(handlers, pid) });
      }
      review();
    },
  };
}

/** `null`: connections may rest for as long as they like. */
function timeoutOf({
  idleTimeout,
  listeners,
}: Pick<ServiceConfig, "idleTimeout" | "listeners">): number | null {
  const isStreamOnly = listeners.every(({ endpoint }) => endpoint.kind !== "udp");
  return isStreamOnly ? idleTimeout : null;
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
