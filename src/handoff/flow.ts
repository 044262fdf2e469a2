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
 */
import { READABLE, type Watch } from "../native/sys.ts";
import { sendDatagram } from "../net/datagram.ts";
import { DatagramPair } from "../net/datagram-pair.ts";
import type { Timer } from "../util/clock.ts";
import type { HandlerRef, HandoffHost } from "./handoff.ts";
import { newTraffic } from "./traffic.ts";
import type { Peer } from "./waiting-peers.ts";

/** After so many answers in a row the other flows get their turn. */
const answersPerTurn = 16;

/** A network that takes nothing more is tried again after this. */
const fullRetryMs = 10;

export type FlowHost = Pick<HandoffHost, "sys" | "clock"> & {
  config: Pick<HandoffHost["config"], "idleTimeout" | "stopTimeout">;
};

export class Flow {
  readonly peer: Peer;
  readonly pair: DatagramPair;
  readonly traffic = newTraffic();
  readonly #host: FlowHost;
  readonly #watch: Watch;
  readonly #onIdle: (flow: Flow) => void;
  #state: "open" | "finishing" | "cut" | "closed" = "open";
  #handler: HandlerRef | null = null;
  /** When the last datagram went through, in either direction. */
  #busyAt: number;
  /** Of the idle time, then of the stop. */
  #timer: Timer | null = null;
  #retry: Timer | null = null;
  /** An answer that the network had no room for. */
  #unsent: Uint8Array | null = null;

  /**
   * @param onIdle called once, when nothing has gone through for `idle_timeout`; the flow takes no more datagrams
   * @throws a system error when there are no descriptors for it
   */
  constructor(host: FlowHost, peer: Peer, onIdle: (flow: Flow) => void) {
    this.#host = host;
    this.peer = peer;
    this.#onIdle = onIdle;
    this.#busyAt = host.clock.now();
    this.pair = new DatagramPair(host.sys);
    this.#watch = host.sys.watch(this.pair.ourEnd, () => this.#answer(answersPerTurn));
  }

  /** A datagram of the peer. Without a handler yet, it waits for the one that is about to be started. */
  give(data: Uint8Array): void {
    if (!this.pair.send(data)) {
      this.traffic.datagramsDropped += 1;
      return;
    }
    this.traffic.datagramsIn += 1;
    this.traffic.bytesIn += data.length;
    this.#busyAt = this.#host.clock.now();
  }

  /** The handler has been started. */
  serve(handler: HandlerRef): void {
    this.#handler = handler;
    this.#watch.start(READABLE);
    const { idleTimeout } = this.#host.config;
    if (idleTimeout !== null) this.#lookAfter(idleTimeout, idleTimeout);
  }

  /** Nobody can be answered any more: for the handler this is the end of file, and a broken pipe. */
  cut(reason: string): void {
    if (this.#state === "closed" || this.#state === "cut") return;
    this.#state = "cut";
    this.#release();
    this.#stopLater(reason);
  }

  /**
   * The handler has ended, or could not be started. What it has written is sent on.
   * @returns what it left unread, for the next one. The first datagram is always its own, whether or not it read it:
   * each start takes the peer one datagram further, and one that no handler can bear is not tried for ever.
   */
  ended(): Uint8Array[] {
    const unread = this.#state === "open" ? this.pair.unread() : [];
    if (this.#state === "open" || this.#state === "finishing") {
      this.#answer(Number.POSITIVE_INFINITY);
      this.#release();
    }
    this.#state = "closed";
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
    this.#watch.close();
    this.pair.close();
  }

  // -- from the handler ---------------------------------------------------------------------------------------------

  #answer(most: number): void {
    for (let turn = 0; turn < most; turn++) {
      const data = this.#unsent ?? this.pair.receive();
      if (data === "end") this.#watch.stop();
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
    this.#watch.stop();
    this.#retry = this.#host.clock.after(fullRetryMs, () => {
      this.#watch.start(READABLE);
      this.#answer(answersPerTurn);
    });
  }

  // -- the end ------------------------------------------------------------------------------------------------------

  #lookAfter(delayMs: number, idleTimeout: number): void {
    const { clock } = this.#host;
    this.#timer = clock.after(delayMs, () => {
      const leftMs = this.#busyAt + idleTimeout - clock.now();
      if (leftMs > 0) this.#lookAfter(leftMs, idleTimeout);
      else this.#finish();
    });
  }

  #finish(): void {
    this.#state = "finishing";
    this.pair.finish();
    this.#stopLater("idle_timeout");
    this.#onIdle(this);
  }

  /** A handler that has been told the end and does not go is stopped, as any other is. */
  #stopLater(reason: string): void {
    const { clock, config } = this.#host;
    this.#timer?.cancel();
    if (config.stopTimeout !== null) {
      this.#timer = clock.after(config.stopTimeout, () => this.#handler?.stop(reason));
    }
  }
}
