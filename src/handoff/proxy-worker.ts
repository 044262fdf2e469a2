/**
 * The daemon behind `proxy` while it runs: how many connections it has, and what becomes of it when that is none, or
 * when it is too old. Nobody can come to it but through us, so whoever is to be lost by that would be lost here.
 */
import { createFrost, type Frost, type SavedFrost } from "./frost.ts";
import type { Client, HandlerRef, HandoffHost } from "./handoff.ts";
import { type Aging, awaitLeave, resumeLeave, type SavedAging, tooOld } from "./old-age.ts";
import { Rest } from "./rest.ts";

type Host = Pick<HandoffHost, "config" | "clock" | "rewatch">;

/** As another process takes it up (an upgrade), without its connections. */
export interface SavedProxyWorker {
  pid: number;
  ready: boolean;
  served: boolean;
  retired: boolean;
  /** Since when it has had no connection; on the monotonic clock. */
  restingSince: number | null;
  aging: SavedAging | null;
  frost: SavedFrost;
}

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
  /** While it has no connection. */
  readonly #rest: Rest;
  #retired = false;
  #aging: Aging | null = null;

  constructor(host: Host, ref: HandlerRef) {
    this.#host = host;
    this.ref = ref;
    this.#rest = new Rest(
      host.clock,
      () => this.#restMs(),
      () => this.#idle(),
    );
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
    this.#rest.end();
    this.#frost.thaw();
    this.ref.worked();
  }

  /** One of its connections has gone, or it has only just become ready: with none, it is not left idle for ever. */
  rest(): void {
    if (this.connections > 0) return;
    this.ref.rested();
    this.#rest.end();
    if (this.#retired && this.ready) this.#leave("replaced");
    else this.#rest.begin();
  }

  /** Keys that say how long it may rest may be others. */
  configured(): void {
    this.#rest.review();
  }

  /** Another is to serve who comes from now on. */
  retire(): void {
    this.#retired = true;
    this.rest();
  }

  /** Two daemons cannot listen at one address: it goes before the next is started, if it can while nobody is connected. */
  aged(): void {
    this.#aging = awaitLeave(this.#host, this.ref, () => this.#leaveIfAlone());
  }

  /** It has gone. */
  close(): void {
    this.#rest.end();
    this.#aging?.giveUp();
    this.#frost.leave(this.ref);
  }

  save(): SavedProxyWorker {
    return {
      pid: this.ref.pid,
      ready: this.ready,
      served: this.served,
      retired: this.#retired,
      restingSince: this.#rest.since,
      aging: this.#aging?.save() ?? null,
      frost: this.#frost.save(),
    };
  }

  /** Takes up what `save` has said, when its connections are known. */
  restore({ ready, served, retired, restingSince, aging, frost }: SavedProxyWorker): void {
    this.ready = ready;
    this.served = served;
    this.#retired = retired;
    if (restingSince !== null) this.#rest.begin(restingSince);
    this.#frost.restore(frost, [this.ref]);
    if (aging !== null) this.#aging = resumeLeave(this.#host, this.ref, () => this.#leaveIfAlone(), aging);
  }

  /** `null` for ever. */
  #restMs(): number | null {
    const { idleTimeout, onIdle } = this.#host.config;
    return onIdle === "stop" && this.#isKept ? null : idleTimeout;
  }

  #idle(): void {
    if (this.connections > 0 || this.ref.isStopping) return;
    if (this.#host.config.onIdle === "freeze") this.#frost.begin([this.ref]);
    else this.#leaveIfSpare("idle_timeout");
  }

  /** It may be frozen all the same. */
  get #isKept(): boolean {
    return this.#host.config.workers.min > 0;
  }

  /** Whether nobody is connected. */
  #leaveIfAlone(): boolean {
    if (this.connections > 0) return false;
    this.#leave(tooOld);
    return true;
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
