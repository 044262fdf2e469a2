/**
 * Tells when TCP connections end whose descriptors others hold, and what they have carried: the kernel announces it, by
 * cookie. Nothing is asked of it but for connections that go on when their holder has gone.
 */
import type { Carry } from "../native/carry.ts";
import type { Fd, SocketAddress, Sys, Watch } from "../native/sys.ts";
import { READABLE } from "../native/sys.ts";
import type { Clock, Timer } from "../util/clock.ts";
import {
  type Destroyed,
  type DestroyedSys,
  openDestroyed,
  readDestroyed,
  setDestroyedPorts,
} from "./destroyed.ts";
import { type DiagSys, sampleConnection } from "./diag.ts";
import type { Bytes, HeldConnection, OnEnd, WatchedEnd } from "./ends.ts";
import { countFin } from "./final-count.ts";
import { livingTcp } from "./living.ts";
import type { TcpSample } from "./sample.ts";

/** Messages of the kernel are read in batches: a connection's end is known this much later at most. */
const readEveryMs = 50;

/** How long the end is waited for when the holder has gone; as long as bytes are under way twice that, and so on. */
const firstLookMs = 1_000;
const longestWaitMs = 16_000;

interface Watched {
  readonly cookie: string;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly port: number;
  readonly onEnd: OnEnd;
  end: { bytes: Bytes } | null;
  /** Who waits for the end, and looks for it at times. */
  tell: OnEnd | null;
  timer: Timer | null;
}

/** Of one connection, as its `WatchedEnd` saves it. */
export interface SavedTcpEnd {
  cookie: string;
  local: SocketAddress;
  remote: SocketAddress;
  port: number;
  end: { bytes: Bytes } | null;
  /** Neither over nor given up. */
  watching: boolean;
}

/** Of all: who tells of them, and of which ports. */
export interface SavedTcpEnds {
  kernel: Fd;
  told: number[];
}

export class TcpEnds {
  readonly #sys: Sys;
  readonly #clock: Clock;
  /** NETLINK_SOCK_DIAG, borrowed. */
  readonly #diag: Fd;
  readonly #watched = new Map<string, Watched>();
  /** How many connections are watched for at each local port. */
  readonly #ports = new Map<number, number>();
  /** The ports that the kernel tells of; the ends of all others on the machine cost us nothing. */
  #told: ReadonlySet<number> = new Set();
  readonly #kernel: Fd;
  readonly #watch: Watch;
  #pause: Timer | null = null;

  /** @param saved what another process had: what the kernel has told it since stands in the socket */
  constructor(
    sys: Sys & DestroyedSys & DiagSys,
    clock: Clock,
    diag: Fd,
    saved: { state: SavedTcpEnds; claim: Carry } | null,
  ) {
    this.#sys = sys;
    this.#clock = clock;
    this.#diag = diag;
    // At once: later there may be no descriptor left.
    this.#kernel = saved === null ? openDestroyed(sys, []) : saved.claim(saved.state.kernel);
    this.#told = new Set(saved?.state.told ?? []);
    this.#watch = sys.watch(this.#kernel, () => this.#read());
    this.#watch.start(READABLE);
    this.#watch.unref();
  }

  watch({ fd, local, remote }: HeldConnection, port: number, onEnd: OnEnd): WatchedEnd {
    countFin(this.#sys, fd);
    const cookie = this.#sys.socketCookie(fd);
    const watched: Watched = { cookie, local, remote, port, onEnd, end: null, tell: null, timer: null };
    this.#add(watched);
    return this.#handle(watched);
  }

  /** Goes on with one that another process has watched for. */
  resume({ watching, ...saved }: SavedTcpEnd, onEnd: OnEnd): WatchedEnd {
    const watched: Watched = { ...saved, onEnd, tell: null, timer: null };
    if (watching) this.#add(watched);
    return this.#handle(watched);
  }

  save(carry: Carry): SavedTcpEnds {
    return { kernel: carry(this.#kernel), told: [...this.#told] };
  }

  /** Whoever waits for an end is told what is known. */
  close(): void {
    this.#drain();
    for (const watched of [...this.#watched.values()]) {
      if (watched.tell !== null) this.#ended(watched, bytesOf(this.#sample(watched)));
    }
    this.#pause?.cancel();
    this.#watch.close();
    this.#sys.close(this.#kernel);
  }

  #add(watched: Watched): void {
    const { cookie, port } = watched;
    this.#watched.set(cookie, watched);
    this.#ports.set(port, (this.#ports.get(port) ?? 0) + 1);
    if (!this.#told.has(port)) this.#tellOfPorts();
  }

  #handle(watched: Watched): WatchedEnd {
    return {
      forget: () => this.#forget(watched),
      isOver: () => {
        this.#drain();
        return watched.end !== null;
      },
      settle: (tell) => this.#settle(watched, tell),
      save: (): SavedTcpEnd => {
        const { cookie, local, remote, port, end } = watched;
        return { cookie, local, remote, port, end, watching: this.#watched.has(cookie) };
      },
    };
  }

  #forget(watched: Watched): void {
    if (!this.#watched.delete(watched.cookie)) return;
    watched.timer?.cancel();
    const left = (this.#ports.get(watched.port) ?? 1) - 1;
    if (left === 0) this.#ports.delete(watched.port);
    else this.#ports.set(watched.port, left);
  }

  #ended(watched: Watched, bytes: Bytes): void {
    this.#forget(watched);
    watched.end = { bytes };
    (watched.tell ?? watched.onEnd)(bytes);
  }

  #settle(watched: Watched, tell: OnEnd): void {
    if (watched.end !== null || !this.#watched.has(watched.cookie)) {
      tell(watched.end?.bytes ?? null);
      return;
    }
    watched.tell = tell;
    this.#lookIn(firstLookMs, watched);
  }

  /** The holder has gone, and still the end has not come. */
  #lookIn(delayMs: number, watched: Watched): void {
    watched.timer = this.#clock.after(delayMs, () => {
      const sample = this.#sample(watched);
      // Just gone: that may stand in what was not read yet.
      if (sample === null) this.#drain();
      if (watched.end !== null) return;
      const isLast = sample === null || isFinal(sample) || delayMs >= longestWaitMs;
      if (isLast) this.#ended(watched, bytesOf(sample));
      else this.#lookIn(delayMs * 2, watched);
    });
  }

  #sample(watched: Watched): TcpSample | null {
    const sample = sampleConnection(this.#sys, this.#diag, watched);
    return sample.ok ? sample.value : null;
  }

  /** A port that nobody needs any more is told of until another comes: it is likely to be needed again. */
  #tellOfPorts(): void {
    const ports = [...this.#ports.keys()];
    this.#told = new Set(ports);
    setDestroyedPorts(this.#sys, this.#kernel, ports);
  }

  #read(): void {
    this.#drain();
    this.#watch.stop();
    this.#pause = this.#clock.after(readEveryMs, () => this.#watch.start(READABLE));
  }

  #drain(): void {
    let overflow = false;
    const read = () => readDestroyed(this.#sys, this.#kernel);
    for (let batch = read(); batch !== null; batch = read()) {
      for (const destroyed of batch.destroyed) this.#destroyed(destroyed);
      overflow ||= batch.overflow;
    }
    if (overflow) this.#lookForLost();
  }

  #destroyed({ cookie, bytesReceived, bytesSent }: Destroyed): void {
    const watched = this.#watched.get(cookie);
    if (watched !== undefined) this.#ended(watched, { received: bytesReceived, sent: bytesSent });
  }

  /** Some ends were not announced for want of room: whoever is not among the living has ended, or is about to. */
  #lookForLost(): void {
    const alive = livingTcp(this.#sys, this.#diag, [...this.#ports.keys()]);
    if (alive === null) return;
    for (const watched of [...this.#watched.values()]) {
      if (!alive.has(watched.cookie)) this.#ended(watched, null);
    }
  }
}

/** Whether it will carry nothing more: the client has it all, or somebody else has the connection now. */
function isFinal({ state, held }: TcpSample): boolean {
  return held || state === "fin-wait-2";
}

function bytesOf(sample: TcpSample | null): Bytes {
  return sample === null ? null : { received: sample.bytesReceived, sent: sample.bytesSent };
}
