/**
 * A flow: the datagrams of one UDP peer and the one handler that serves it, as a machine with four states.
 *
 *   open ──idle──▶ finishing ──ended──▶ closed
 *    ├────────────── ended ────────────────▲
 *    └─cut─▶ cut ─────────── ended ────────┘   (from finishing too)
 *
 * `finishing`: the handler has been told the end of file and may still answer. `cut`: there is nobody to answer to.
 *
 * What does not fit into the queue to the handler is dropped and counted, so that a handler which does not read holds
 * up nobody else. In the other direction the handler waits, once the queue is full.
 *
 * The configuration may change meanwhile: `idle_timeout` counts from the next datagram of the peer on.
 */
import { bytesToText, type Carry, textToBytes } from "../native/carry.ts";
import { type Fd, READABLE, type Watch } from "../native/sys.ts";
import { sendDatagram } from "../net/datagram.ts";
import { DatagramPair, type SavedPair } from "../net/datagram-pair.ts";
import type { Timer } from "../util/clock.ts";
import type { HandlerRef, HandoffHost } from "./handoff.ts";
import { newTraffic, type Traffic } from "./traffic.ts";
import type { Peer } from "./waiting-peers.ts";

/** After so many answers in a row the other flows get their turn. */
const answersPerTurn = 16;

/** A network that takes nothing more is tried again after this. */
const fullRetryMs = 10;

export type FlowHost = Pick<HandoffHost, "sys" | "clock"> & {
  config: Pick<HandoffHost["config"], "idleTimeout" | "stopTimeout">;
};

/** A flow that has a handler. What has gone through it is told of the handler's connection. */
export interface SavedFlow {
  /** `null`: it was cut. */
  open: { pair: SavedPair; busyAt: number; unsent: string | null } | null;
  /** Of a handler that has been told the end. */
  stop: Stop | null;
}

/** What to go on with. */
export interface ResumedFlow {
  state: SavedFlow;
  claim: Carry;
  handler: HandlerRef;
  /** The very object by which the handler's connection is told of. */
  traffic: Traffic;
}

/** When a handler that has been told the end is stopped, and why; `at` is `null` if it never is. */
interface Stop {
  at: number | null;
  reason: string;
}

export class Flow {
  readonly peer: Peer;
  readonly traffic: Traffic;
  readonly #host: FlowHost;
  readonly #onIdle: (flow: Flow) => void;
  /** While open or finishing. */
  #link: { pair: DatagramPair; watch: Watch } | null = null;
  #handler: HandlerRef | null = null;
  /** When the last datagram went through, in either direction. */
  #busyAt: number;
  /** What the timer below has been set by, while open. */
  #idleTimeout: number | null = null;
  /** Since it has not been open. */
  #stop: Stop | null = null;
  /** Of the idle time, then of the stop. */
  #timer: Timer | null = null;
  #retry: Timer | null = null;
  /** An answer that the network had no room for. */
  #unsent: Uint8Array | null = null;

  /**
   * @param onIdle called once, when nothing has gone through for `idle_timeout`; the flow takes no more datagrams
   * @param resumed one of another process, instead of a new one
   * @throws a system error when there are no descriptors for it
   */
  constructor(host: FlowHost, peer: Peer, onIdle: (flow: Flow) => void, resumed: ResumedFlow | null = null) {
    this.#host = host;
    this.peer = peer;
    this.#onIdle = onIdle;
    this.traffic = resumed?.traffic ?? newTraffic();
    this.#busyAt = resumed?.state.open?.busyAt ?? host.clock.now();
    if (resumed === null) this.#open(new DatagramPair(host.sys));
    else this.#resume(resumed);
  }

  #open(pair: DatagramPair): void {
    const watch = this.#host.sys.watch(pair.ourEnd, () => this.#answer(answersPerTurn));
    this.#link = { pair, watch };
  }

  /** Blocking; lent to whoever starts the handler. */
  get handlerEnd(): Fd {
    if (this.#link === null) throw new Error("a handler for a flow that is over");
    return this.#link.pair.handlerEnd;
  }

  /** A datagram of the peer. Without a handler yet, it waits for the one that is about to be started. */
  give(data: Uint8Array): void {
    if (this.#link?.pair.send(data) !== true) {
      this.traffic.datagramsDropped += 1;
      return;
    }
    this.traffic.datagramsIn += 1;
    this.traffic.bytesIn += data.length;
    this.#busyAt = this.#host.clock.now();
    if (this.#handler !== null && this.#host.config.idleTimeout !== this.#idleTimeout) this.#waitForIdle();
  }

  /** The handler has been started. */
  serve(handler: HandlerRef): void {
    this.#handler = handler;
    this.#link?.watch.start(READABLE);
    this.#waitForIdle();
  }

  /** Nobody can be answered any more: for the handler this is the end of file, and a broken pipe. */
  cut(reason: string): void {
    if (this.#link === null) return;
    this.#release();
    this.#stopLater(reason);
  }

  /**
   * The handler has ended, or could not be started. What it has written is sent on.
   * @returns what it left unread, for the next one. The first datagram is always its own, whether or not it read it:
   * each start takes the peer one datagram further, and one that no handler can bear is not tried for ever.
   */
  ended(): Uint8Array[] {
    const unread = this.#link !== null && this.#stop === null ? this.#link.pair.unread() : [];
    if (this.#link !== null) {
      this.#answer(Number.POSITIVE_INFINITY);
      this.#release();
    }
    this.#timer?.cancel();
    const isUntouched = this.#handler !== null && unread.length === this.traffic.datagramsIn;
    const left = isUntouched ? unread.slice(1) : unread;
    this.traffic.datagramsIn -= left.length;
    for (const { length } of left) this.traffic.bytesIn -= length;
    return left;
  }

  #release(): void {
    if (this.#unsent !== null) this.traffic.datagramsDropped += 1;
    this.#retry?.cancel();
    this.#link?.watch.close();
    this.#link?.pair.close();
    this.#link = null;
  }

  // -- from the handler ---------------------------------------------------------------------------------------------

  #answer(most: number): void {
    if (this.#link === null) return;
    const { pair, watch } = this.#link;
    for (let turn = 0; turn < most; turn++) {
      const data = this.#unsent ?? pair.receive();
      if (data === "end") watch.stop();
      if (data === null || data === "end" || !this.#send(data)) return;
    }
  }

  /** `false`: not now. */
  #send(data: Uint8Array): boolean {
    const { sys, clock } = this.#host;
    const { listener, route } = this.peer;
    const sent = sendDatagram(sys, listener, route, data);
    if (sent === "full") {
      this.#unsent = Uint8Array.from(data);
      this.#waitForRoom();
      return false;
    }
    this.#unsent = null;
    this.#busyAt = clock.now();
    if (sent === "lost") {
      this.traffic.datagramsDropped += 1;
    } else {
      this.traffic.datagramsOut += 1;
      this.traffic.bytesOut += data.length;
    }
    return true;
  }

  #waitForRoom(): void {
    this.#link?.watch.stop();
    this.#retry = this.#host.clock.after(fullRetryMs, () => {
      this.#link?.watch.start(READABLE);
      this.#answer(answersPerTurn);
    });
  }

  // -- the end ------------------------------------------------------------------------------------------------------

  /** From the last datagram on, by the timeout as it is now. */
  #waitForIdle(): void {
    const { clock, config } = this.#host;
    const { idleTimeout } = config;
    this.#idleTimeout = idleTimeout;
    this.#timer?.cancel();
    if (idleTimeout === null) return;
    const leftMs = this.#busyAt + idleTimeout - clock.now();
    this.#timer = clock.after(Math.max(0, leftMs), () => this.#lookWhetherIdle());
  }

  #lookWhetherIdle(): void {
    const { clock, config } = this.#host;
    const { idleTimeout } = config;
    if (idleTimeout === null || this.#busyAt + idleTimeout > clock.now()) this.#waitForIdle();
    else this.#finish();
  }

  #finish(): void {
    this.#link?.pair.finish();
    this.#stopLater("idle_timeout");
    this.#onIdle(this);
  }

  /** A handler that has been told the end and does not go is stopped, as any other is. */
  #stopLater(reason: string): void {
    const { clock, config } = this.#host;
    const { stopTimeout } = config;
    this.#stopAt({ at: stopTimeout === null ? null : clock.now() + stopTimeout, reason });
  }

  #stopAt(stop: Stop): void {
    const { clock } = this.#host;
    const { at, reason } = stop;
    this.#stop = stop;
    this.#timer?.cancel();
    if (at !== null)
      this.#timer = clock.after(Math.max(0, at - clock.now()), () => this.#handler?.stop(reason));
  }

  // -- an upgrade ---------------------------------------------------------------------------------------------------

  save(carry: Carry): SavedFlow {
    const unsent = this.#unsent === null ? null : bytesToText(this.#unsent);
    const open =
      this.#link === null ? null : { pair: this.#link.pair.save(carry), busyAt: this.#busyAt, unsent };
    return { open, stop: this.#stop };
  }

  #resume({ state: { open, stop }, claim, handler }: ResumedFlow): void {
    this.#handler = handler;
    if (open !== null) {
      this.#unsent = open.unsent === null ? null : textToBytes(open.unsent);
      this.#open(new DatagramPair(this.#host.sys, { state: open.pair, claim }));
      if (this.#unsent === null) this.#link?.watch.start(READABLE);
      else this.#waitForRoom();
    }
    if (stop === null) this.#waitForIdle();
    else this.#stopAt(stop);
  }
}
