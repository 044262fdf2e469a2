/**
 * Tells when connections end whose descriptors others hold. Of TCP connections the kernel announces it, by cookie;
 * Unix sockets are looked for now and then, while any is watched for.
 */
import type { Fd, Sys, Watch } from "../native/sys.ts";
import { READABLE } from "../native/sys.ts";
import type { Clock, Timer } from "../util/clock.ts";
import {
  type Destroyed,
  type DestroyedSys,
  openDestroyed,
  readDestroyed,
  setDestroyedPorts,
} from "./destroyed.ts";
import type { DiagSys } from "./diag.ts";
import { unixStates } from "./diag-unix.ts";

/** Messages of the kernel are read in batches: a connection's end is known this much later at most. */
const readEveryMs = 50;
const lookEveryMs = 1_000;

/** Payload bytes of a TCP connection, as the one who accepted it sees them; `null` where the kernel keeps none. */
export type Bytes = { received: number; sent: number } | null;
type OnEnd = (bytes: Bytes) => void;

export class Ends {
  readonly #sys: Sys;
  readonly #clock: Clock;
  /** NETLINK_SOCK_DIAG, borrowed. */
  readonly #diag: Fd;
  readonly #tcp = new Map<string, OnEnd>();
  readonly #unix = new Map<string, OnEnd>();
  /** How many connections are watched for at each local port. */
  readonly #ports = new Map<number, number>();
  #kernel: { fd: Fd; watch: Watch } | null = null;
  #pause: Timer | null = null;
  #timer: Timer | null = null;

  constructor(sys: Sys & DestroyedSys & DiagSys, clock: Clock, diag: Fd) {
    this.#sys = sys;
    this.#clock = clock;
    this.#diag = diag;
  }

  /**
   * To be called while `fd` is still open here; borrows it.
   * @returns gives up watching
   */
  watch(fd: Fd, onEnd: OnEnd): () => void {
    const address = this.#sys.getsockname(fd);
    return address.family === "unix" ? this.#watchUnix(fd, onEnd) : this.#watchTcp(fd, address.port, onEnd);
  }

  close(): void {
    this.#timer?.cancel();
    this.#pause?.cancel();
    if (this.#kernel === null) return;
    this.#kernel.watch.close();
    this.#sys.close(this.#kernel.fd);
    this.#kernel = null;
  }

  #watchTcp(fd: Fd, port: number, onEnd: OnEnd): () => void {
    const cookie = this.#sys.socketCookie(fd);
    this.#count(port, 1);
    const forget = () => {
      if (this.#tcp.delete(cookie)) this.#count(port, -1);
    };
    this.#tcp.set(cookie, (bytes) => {
      forget();
      onEnd(bytes);
    });
    return forget;
  }

  /** The kernel is asked to tell of these ports only: the ends of all others on the machine cost us nothing. */
  #count(port: number, change: 1 | -1): void {
    const before = this.#ports.get(port) ?? 0;
    const after = before + change;
    if (after === 0) this.#ports.delete(port);
    else this.#ports.set(port, after);
    // A port that is not needed any more stays in the filter until another comes: it is likely to be needed again.
    if (before > 0 || change < 0) return;
    const ports = [...this.#ports.keys()];
    if (this.#kernel !== null) {
      setDestroyedPorts(this.#sys, this.#kernel.fd, ports);
      return;
    }
    const fd = openDestroyed(this.#sys, ports);
    const watch = this.#sys.watch(fd, () => this.#read());
    watch.start(READABLE);
    watch.unref();
    this.#kernel = { fd, watch };
  }

  #read(): void {
    const kernel = this.#kernel;
    if (kernel === null) return;
    let overflow = false;
    for (
      let batch = readDestroyed(this.#sys, kernel.fd);
      batch !== null;
      batch = readDestroyed(this.#sys, kernel.fd)
    ) {
      for (const destroyed of batch.destroyed) this.#destroyed(destroyed);
      overflow ||= batch.overflow;
    }
    if (overflow) this.#lookForLost();
    kernel.watch.stop();
    this.#pause = this.#clock.after(readEveryMs, () => {
      if (this.#kernel === kernel) kernel.watch.start(READABLE);
    });
  }

  #destroyed({ cookie, bytesReceived, bytesSent }: Destroyed): void {
    this.#tcp.get(cookie)?.({ received: bytesReceived, sent: bytesSent });
  }

  /** Some ends were not announced for want of room: whoever is not among the living has ended. */
  #lookForLost(): void {
    const alive = livingCookies(this.#sys, this.#diag, [...this.#ports.keys()]);
    if (alive === null) return;
    for (const [cookie, onEnd] of [...this.#tcp]) if (!alive.has(cookie)) onEnd(null);
  }

  #watchUnix(fd: Fd, onEnd: OnEnd): () => void {
    const cookie = this.#sys.socketCookie(fd);
    this.#unix.set(cookie, onEnd);
    this.#timer ??= this.#clock.after(lookEveryMs, () => this.#lookAtUnix());
    return () => this.#unix.delete(cookie);
  }

  #lookAtUnix(): void {
    this.#timer = null;
    if (this.#unix.size === 0) return;
    const alive = livingUnixCookies(this.#sys, this.#diag);
    for (const [cookie, onEnd] of [...this.#unix]) {
      if (alive === null || alive.has(cookie)) continue;
      this.#unix.delete(cookie);
      onEnd(null);
    }
    this.#timer = this.#clock.after(lookEveryMs, () => this.#lookAtUnix());
  }
}

/** The cookies of all TCP connections at these local ports, or `null` if the kernel cannot tell. */
function livingCookies(sys: Sys, diag: Fd, ports: readonly number[]): Set<string> | null {
  const alive = new Set<string>();
  for (const family of ["inet", "inet6"] as const) {
    for (let first = 0; first < ports.length; first += 1024) {
      const rows = sys.inetDiag(diag, family, "tcp", allStates, ports.slice(first, first + 1024), false);
      if (rows.inconsistent) return null;
      for (let n = 0; n < rows.count; n++) alive.add(`${rows.cookie[n]}`);
    }
  }
  return alive;
}

function livingUnixCookies(sys: Sys, diag: Fd): Set<string> | null {
  const rows = sys.unixDiag(diag, unixStates.all, false);
  if (rows.inconsistent) return null;
  return new Set(Array.from(rows.cookie, (cookie) => `${cookie}`));
}

/** Every state that a socket with a cookie of its own can be in. */
const allStates = 0xfff;
