/**
 * `on_disconnect = "stop"` of `stdio`: a handler whose client is gone is ended, without our holding its connection, which
 * would keep its end from the client. The kernel is asked now and then, while there are such handlers.
 *
 * Over TCP: a connection that was reset or has timed out is not in the kernel's tables any more, though its handler
 * still holds it; nor is one that both sides have ended. One that the handler has closed is not either, but of that the
 * kernel tells (`WatchedEnd`); since it may tell a moment later, who is missing is looked for once more. Over Unix
 * sockets: the client's end is closed. A FIN or a half-close alone leaves both as they are.
 */
import type { WatchedEnd } from "../net/ends.ts";
import type { Timer } from "../util/clock.ts";
import type { HandlerRef, HandoffHost, Incoming } from "./handoff.ts";

const lookEveryMs = 1_000;

interface Watched {
  handler: HandlerRef;
  cookie: string;
  /** Of a TCP connection: its local port, and who tells of its end. */
  tcp: { port: number; end: WatchedEnd | null } | null;
  /** It was when it was last looked for. */
  missing: boolean;
}

export interface StdioDisconnects {
  /** The connection is not handed over yet; `end` watches for the end of it. */
  add(incoming: Incoming, end: WatchedEnd | null, handler: HandlerRef): void;
  remove(pid: number): void;
}

export function watchDisconnects(
  host: Pick<HandoffHost, "sys" | "clock" | "livingTcp" | "livingUnix">,
): StdioDisconnects {
  const watched = new Map<number, Watched>();
  let timer: Timer | null = null;

  function look(): void {
    timer = null;
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
  };
}
