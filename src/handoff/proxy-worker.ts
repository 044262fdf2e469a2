/**
 * The daemon behind `proxy` while it runs: how many connections it has, and what becomes of it when that is none, or
 * when it is too old. Nobody can come to it but through us, so whoever is to be lost by that would be lost here.
 */
import type { Timer } from "../util/clock.ts";
import { createFrost, type Frost } from "./frost.ts";
import type { HandlerRef, HandoffHost } from "./handoff.ts";
import type { Client } from "./held.ts";
import { type Aging, awaitLeave, tooOld } from "./old-age.ts";

type Host = Pick<HandoffHost, "config" | "clock" | "rewatch">;

export class ProxyWorker {
  readonly ref: HandlerRef;
  ready = false;
  /** It has taken a connection. */
  served = false;
  /** Being connected: how to give that up. */
  readonly connecting = new Map<Client, () => void>();
  /** How many of its connections are relayed. */
  relayed = 0;
  readonly #host: Host;
  readonly #frost: Frost;
  #idleTimer: Timer | null = null;
  #retired = false;
  #aging: Aging | null = null;

  constructor(host: Host, ref: HandlerRef) {
    this.#host = host;
    this.ref = ref;
    this.#frost = createFrost(host, {
      // Nobody can have come meanwhile.
      settled: () => {},
      failed: () => (this.#isKept ? this.rest() : this.#leave("idle_timeout")),
      expired: () => this.#leaveIfSpare("max_frozen"),
    });
  }

  get connections(): number {
    return this.connecting.size + this.relayed;
  }

  get canServe(): boolean {
    return this.ready && !this.ref.isStopping;
  }

  /** Its `max_lifetime` is over. */
  get isAged(): boolean {
    return this.#aging !== null;
  }

  /** It is to get a connection. */
  work(): void {
    this.#idleTimer?.cancel();
    this.#frost.thaw();
    this.ref.worked();
  }

  /** One of its connections has gone, or it has only just become ready: with none, it is not left idle for ever. */
  rest(): void {
    if (this.connections > 0) return;
    const { idleTimeout, onIdle } = this.#host.config;
    this.ref.rested();
    this.#idleTimer?.cancel();
    if (this.#retired && this.ready) {
      this.#leave("replaced");
      return;
    }
    if (idleTimeout === null || (onIdle === "stop" && this.#isKept)) return;
    this.#idleTimer = this.#host.clock.after(idleTimeout, () => {
      if (this.connections > 0 || this.ref.isStopping) return;
      if (onIdle === "freeze") this.#frost.begin([this.ref]);
      else this.#leaveIfSpare("idle_timeout");
    });
  }

  /** Another is to serve who comes from now on. */
  retire(): void {
    this.#retired = true;
    this.rest();
  }

  /** Two daemons cannot listen at one address: it goes before the next is started, if it can while nobody is connected. */
  aged(): void {
    this.#aging = awaitLeave(this.#host, this.ref, () => {
      if (this.connections > 0) return false;
      this.#leave(tooOld);
      return true;
    });
  }

  /** It has gone. */
  close(): void {
    this.#idleTimer?.cancel();
    this.#aging?.giveUp();
    this.#frost.leave(this.ref);
  }

  /** It may be frozen all the same. */
  get #isKept(): boolean {
    return this.#host.config.workers.min > 0;
  }

  #leaveIfSpare(reason: string): void {
    if (!this.#isKept) this.#leave(reason);
  }

  #leave(reason: string): void {
    this.#frost.leave(this.ref);
    this.ref.stop(reason);
    this.#host.rewatch();
  }
}
