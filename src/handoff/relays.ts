/**
 * The open connections of `proxy`: each a relay between a client and a daemon. The kernel tells of every end but one: a
 * daemon that has gone, with a client who does not answer to that. Then what it said last is delivered, and no more.
 */
import { type Fd, isSystemError, type Relay, type RelayEnd, type Sys } from "../native/sys.ts";
import type { Bytes } from "../net/ends.ts";
import type { Clock, Timer } from "../util/clock.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { Connection, HandlerRef } from "./handoff.ts";
import type { Client } from "./held.ts";

/** One connection between a client and a daemon, which may have gone meanwhile. */
export interface Relayed {
  readonly connection: Connection;
  readonly worker: HandlerRef;
  readonly relay: Relay;
}

/** `error`: it did not end by itself. */
type OnEnd = (relayed: Relayed, bytes: Bytes, error?: string) => void;

export class Relays {
  readonly #sys: Pick<Sys, "relay" | "close">;
  readonly #clock: Clock;
  readonly #onEnd: OnEnd;
  readonly #open = new Map<number, Relayed>();
  /** Of the workers that have gone before their connections. */
  readonly #vigils = new Set<Timer>();

  constructor(sys: Pick<Sys, "relay" | "close">, clock: Clock, onEnd: OnEnd) {
    this.#sys = sys;
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  /** All that are open, by the number of the connection. */
  get open(): ReadonlyMap<number, Relayed> {
    return this.#open;
  }

  /**
   * Relays between `client` and `upstream` from now on. Keeps both descriptors; if it fails, with an errno's name, that
   * of the client is the caller's, and `upstream` is closed.
   * @param header what the daemon gets before the client's first byte
   */
  begin(client: Client, upstream: Fd, worker: HandlerRef, header: Uint8Array | null): Result<null, string> {
    const { incoming, connection } = client;
    const onEnd = (end: RelayEnd) => this.#ended(connection.id, end);
    try {
      const options = header === null ? {} : { prefixToB: header };
      const relay = this.#sys.relay(incoming.fd, upstream, onEnd, options);
      this.#open.set(connection.id, { connection, worker, relay });
      return ok(null);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.#sys.close(upstream);
      return err(error.code);
    }
  }

  /**
   * `worker` has gone (`null`: every worker has): its connections end when nothing has moved on them for `quietMs`, and
   * after `mostMs` in any case.
   */
  bereave(worker: HandlerRef | null, quietMs: number, mostMs = Number.POSITIVE_INFINITY): void {
    const theirs = [...this.#open.values()].filter((relayed) => worker === null || relayed.worker === worker);
    if (theirs.length === 0) return;
    const timer = this.#clock.after(quietMs, () => {
      this.#vigils.delete(timer);
      for (const relayed of theirs) {
        if (!this.#open.has(relayed.connection.id)) continue;
        if (mostMs <= quietMs || relayed.relay.idleMs() >= quietMs) this.#close(relayed);
      }
      this.bereave(worker, quietMs, mostMs - quietMs);
    });
    this.#vigils.add(timer);
  }

  #close(relayed: Relayed): void {
    const { aToB, bToA } = relayed.relay.bytes();
    relayed.relay.close();
    this.#forget(relayed.connection.id);
    this.#onEnd(relayed, { received: aToB, sent: bToA }, "its worker ended");
  }

  #ended(id: number, end: RelayEnd): void {
    const relayed = this.#open.get(id);
    if (relayed === undefined) return;
    this.#forget(id);
    this.#onEnd(relayed, { received: end.aToB, sent: end.bToA }, describeEnd(end));
  }

  #forget(id: number): void {
    this.#open.delete(id);
    if (this.#open.size > 0) return;
    for (const timer of this.#vigils) timer.cancel();
    this.#vigils.clear();
  }
}

function describeEnd({ reason, code }: RelayEnd): string | undefined {
  switch (reason) {
    case "end":
      return undefined;
    case "reset-a":
      return "the client has reset it";
    case "reset-b":
      return "the daemon has reset it";
    case "error":
      return code ?? "it has failed";
  }
}
