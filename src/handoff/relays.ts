/**
 * The open connections of `proxy`: each a relay between a client and a daemon. The kernel tells of every end but one: a
 * daemon that has gone, with a client who does not answer to that. Then what it said last is delivered, and no more.
 */
import type { Carry } from "../native/carry.ts";
import {
  type Fd,
  isSystemError,
  type Relay,
  type RelayEnd,
  type RelayOptions,
  type Sys,
} from "../native/sys.ts";
import type { Bytes } from "../net/ends.ts";
import type { Clock, Timer } from "../util/clock.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { Client, Connection, HandlerRef } from "./handoff.ts";
import { restoreRelay, type SavedRelay, saveRelay } from "./saved-relay.ts";
import { UnsentReader, UnsentWriter } from "./unsent.ts";

/** One connection between a client and a daemon, which may have gone meanwhile. */
export interface Relayed {
  readonly connection: Connection;
  readonly worker: Pick<HandlerRef, "pid">;
  readonly relay: Relay;
}

/** Connections whose worker has gone: how long they may rest, and when they end in any case. */
interface Vigil {
  readonly ids: ReadonlySet<number>;
  readonly quietMs: number;
  /** On the monotonic clock; `null`: never. */
  readonly until: number | null;
  readonly timer: Timer;
}

/** As another process takes them up (an upgrade). */
export interface SavedRelays {
  /** What stands in no connection at the moment. */
  unsent: Fd | null;
  /** Each with its worker, which may have gone. */
  open: { relay: SavedRelay; worker: { pid: number; isGone: boolean } }[];
  vigils: { ids: number[]; quietMs: number; until: number | null }[];
}

/** `error`: it did not end by itself. */
type OnEnd = (relayed: Relayed, bytes: Bytes, error?: string) => void;

export class Relays {
  readonly #sys: Pick<Sys, "relay" | "close" | "sealedFile" | "readAt">;
  readonly #clock: Clock;
  readonly #onEnd: OnEnd;
  readonly #open = new Map<number, Relayed>();
  readonly #vigils = new Set<Vigil>();

  constructor(sys: Pick<Sys, "relay" | "close" | "sealedFile" | "readAt">, clock: Clock, onEnd: OnEnd) {
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
    try {
      const options = header === null ? {} : { prefixToB: header };
      this.#relay(connection, worker, incoming.fd, upstream, options);
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
  bereave(worker: HandlerRef | null, quietMs: number, mostMs: number | null = null): void {
    const theirs = [...this.#open.values()].filter((relayed) => worker === null || relayed.worker === worker);
    const ids = theirs.map(({ connection }) => connection.id);
    this.#watchOver(new Set(ids), quietMs, mostMs === null ? null : this.#clock.now() + mostMs);
  }

  /** @param alive the worker that has not gone */
  save(carry: Carry, alive: HandlerRef | null): SavedRelays {
    const now = this.#clock.now();
    const unsent = new UnsentWriter();
    const open = [...this.#open.values()].flatMap(({ connection, worker, relay }) => {
      const saved = saveRelay(connection, relay, now, carry, unsent);
      return saved === null ? [] : [{ relay: saved, worker: { pid: worker.pid, isGone: worker !== alive } }];
    });
    return {
      unsent: unsent.save(this.#sys, this.#clock, carry),
      open,
      vigils: [...this.#vigils].map(({ ids, quietMs, until }) => ({ ids: [...ids], quietMs, until })),
    };
  }

  /**
   * Takes up what `save` has said.
   * @param alive the worker that had not gone, if there was one
   * @returns how many connections it has
   */
  restore({ unsent, open, vigils }: SavedRelays, claim: Carry, alive: HandlerRef | null): number {
    const bytes = new UnsentReader(this.#sys, this.#clock, unsent === null ? null : claim(unsent));
    for (const { relay, worker } of open) {
      const { connection, client, upstream, state } = restoreRelay(relay, this.#clock.now(), claim, bytes);
      // A pid says nothing of one that has gone: another may have it by now.
      const by = worker.isGone ? { pid: worker.pid } : alive;
      if (by === null)
        throw new Error(`connection ${connection.id} is relayed to a worker that is not there`);
      this.#relay(connection, by, client, upstream, { resume: state });
    }
    // Who rests is known from before; when it is looked at again begins anew.
    for (const { ids, quietMs, until } of vigils) this.#watchOver(new Set(ids), quietMs, until);
    return open.filter(({ worker }) => !worker.isGone).length;
  }

  /** Keeps both descriptors, unless it throws. */
  #relay(connection: Connection, worker: Relayed["worker"], a: Fd, b: Fd, options: RelayOptions): void {
    const relay = this.#sys.relay(a, b, (end) => this.#ended(connection.id, end), options);
    this.#open.set(connection.id, { connection, worker, relay });
  }

  /** Looks every `quietMs`, while any of them is open. */
  #watchOver(ids: ReadonlySet<number>, quietMs: number, until: number | null): void {
    const look = () => {
      this.#vigils.delete(vigil);
      const isOver = until !== null && this.#clock.now() >= until;
      for (const relayed of this.#openOf(ids)) {
        if (isOver || relayed.relay.idleMs() >= quietMs) this.#close(relayed);
      }
      this.#watchOver(ids, quietMs, until);
    };
    if (this.#openOf(ids).length === 0) return;
    const leftMs = until === null ? quietMs : until - this.#clock.now();
    const timer = this.#clock.after(Math.max(0, Math.min(quietMs, leftMs)), look);
    const vigil: Vigil = { ids, quietMs, until, timer };
    this.#vigils.add(vigil);
  }

  #openOf(ids: ReadonlySet<number>): Relayed[] {
    return [...this.#open.values()].filter(({ connection }) => ids.has(connection.id));
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
    for (const { timer } of this.#vigils) timer.cancel();
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
