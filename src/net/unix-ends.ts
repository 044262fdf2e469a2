/**
 * Tells when Unix connections end whose descriptors others hold: they are looked for now and then, while any is watched
 * for. The kernel announces no such end, and counts no bytes.
 */
import type { Fd, Sys } from "../native/sys.ts";
import type { Clock, Timer } from "../util/clock.ts";
import type { OnEnd, WatchedEnd } from "./ends.ts";
import { livingUnix } from "./living.ts";

const lookEveryMs = 1_000;

/** Of one connection, as its `WatchedEnd` saves it. */
export interface SavedUnixEnd {
  cookie: string;
  watching: boolean;
}

export class UnixEnds {
  readonly #sys: Sys;
  readonly #clock: Clock;
  /** NETLINK_SOCK_DIAG, borrowed. */
  readonly #diag: Fd;
  readonly #watched = new Map<string, OnEnd>();
  #timer: Timer | null = null;

  constructor(sys: Sys, clock: Clock, diag: Fd) {
    this.#sys = sys;
    this.#clock = clock;
    this.#diag = diag;
  }

  /** Borrows `fd`. */
  watch(fd: Fd, onEnd: OnEnd): WatchedEnd {
    return this.#add(this.#sys.socketCookie(fd), onEnd);
  }

  /** Goes on with one that another process has watched for. */
  resume({ cookie, watching }: SavedUnixEnd, onEnd: OnEnd): WatchedEnd {
    const end = this.#add(cookie, onEnd);
    if (!watching) end.forget();
    return end;
  }

  #add(cookie: string, onEnd: OnEnd): WatchedEnd {
    this.#watched.set(cookie, onEnd);
    this.#timer ??= this.#clock.after(lookEveryMs, () => this.#look());
    const forget = () => void this.#watched.delete(cookie);
    return {
      forget,
      isOver: () => !this.#watched.has(cookie),
      settle(tell) {
        forget();
        tell(null);
      },
      save: (): SavedUnixEnd => ({ cookie, watching: this.#watched.has(cookie) }),
    };
  }

  close(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    this.#timer = null;
    if (this.#watched.size === 0) return;
    const alive = livingUnix(this.#sys, this.#diag);
    for (const [cookie, onEnd] of [...this.#watched]) {
      if (alive === null || alive.has(cookie)) continue;
      this.#watched.delete(cookie);
      onEnd(null);
    }
    this.#timer ??= this.#clock.after(lookEveryMs, () => this.#look());
  }
}
