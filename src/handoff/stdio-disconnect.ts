/**
 * `on_disconnect = "stop"` of `stdio`: a handler whose client is gone is ended, without our holding its connection, which
 * would keep its end from the client. The kernel is asked now and then, while there are such handlers.
 *
 * Over TCP: a connection that was reset or has timed out is not in the kernel's tables any more, though its handler
 * still holds it; nor is one that both sides have ended. One that the handler has closed is not either, but of that the
 * kernel tells (`WatchedEnd`); since it may tell a moment later, who is missing is looked for once more. Over Unix
 * sockets: the client's end is closed. A FIN or a half-close alone leaves both as they are.
 *
 * The key may change meanwhile: whoever comes from then on is watched, or nobody is any more.
 */
import type { WatchedEnd } from "../net/ends.ts";
import type { Timer } from "../util/clock.ts";
import type { HandlerRef, HandoffHost, Incoming, Restored } from "./handoff.ts";
import { restoredHandler } from "./saved.ts";

const lookEveryMs = 1_000;

interface Watched {
  handler: HandlerRef;
  cookie: string;
  /** Of a TCP connection: its local port, and who tells of its end. */
  tcp: { port: number; end: WatchedEnd | null } | null;
  /** It was when it was last looked for. */
  missing: boolean;
}

/** Who was missing is looked for twice again. */
export interface SavedDisconnects {
  pid: number;
  cookie: string;
  /** Of a TCP connection. */
  port: number | null;
}

export interface StdioDisconnects {
  /** The connection is not handed over yet; `end` watches for the end of it. */
  add(incoming: Incoming, end: WatchedEnd | null, handler: HandlerRef): void;
  remove(pid: number): void;
  save(): SavedDisconnects[];
  restore(saved: readonly SavedDisconnects[], from: Pick<Restored, "handlers">): void;
}

export function watchDisconnects(
  host: Pick<HandoffHost, "config" | "sys" | "clock" | "livingTcp" | "livingUnix">,
): StdioDisconnects {
  const watched = new Map<number, Watched>();
  let timer: Timer | null = null;

  function look(): void {
    timer = null;
    if (host.config.onDisconnect !== "stop") watched.clear();
    const all = [...watched.values()];
    const ports = new Set(all.flatMap(({ tcp }) => (tcp === null ? [] : [tcp.port])));
    const tcp = ports.size === 0 ? null : host.livingTcp([...ports]);
    const unix = all.some((one) => one.tcp === null) ? host.livingUnix() : null;
    for (const one of all) {
      if (one.tcp !== null) lookAtTcp(one, one.tcp.end, tcp);
      else if (unix?.get(one.cookie) === false) gone(one);
    }
    schedule();
  }

  /** @param living `null`: nobody can tell */
  function lookAtTcp(one: Watched, end: WatchedEnd | null, living: ReadonlySet<string> | null): void {
    const wasMissing = one.missing;
    one.missing = living !== null && !living.has(one.cookie);
    if (!one.missing || !wasMissing) return;
    if (end?.isOver() === true) watched.delete(one.handler.pid);
    else gone(one);
  }

  function gone({ handler }: Watched): void {
    watched.delete(handler.pid);
    handler.stop("the client has gone");
  }

  function schedule(): void {
    if (watched.size > 0) timer ??= host.clock.after(lookEveryMs, look);
  }

  return {
    add({ fd, local }, end, handler) {
      if (host.config.onDisconnect !== "stop") return;
      const tcp = local.family === "unix" ? null : { port: local.port, end };
      watched.set(handler.pid, { handler, cookie: host.sys.socketCookie(fd), tcp, missing: false });
      schedule();
    },
    remove(pid) {
      watched.delete(pid);
      if (watched.size > 0) return;
      timer?.cancel();
      timer = null;
    },
    save: () => Array.from(watched, ([pid, { cookie, tcp }]) => ({ pid, cookie, port: tcp?.port ?? null })),
    restore(saved, { handlers }) {
      for (const { pid, cookie, port } of saved) {
        const handler = restoredHandler(handlers, pid);
        const tcp = port === null ? null : { port, end: handler.connection?.end ?? null };
        watched.set(pid, { handler, cookie, tcp, missing: false });
      }
      schedule();
    },
  };
}
