/**
 * Clients of `proxy` that were let in and wait for their daemon, in the order in which they came. Each waits for a
 * bounded time, and one that goes away meanwhile is noticed: by a reset, or where it is a Unix socket by its being
 * closed. A FIN alone says nothing: who asks and then only listens sends it too.
 *
 * Each already holds the second descriptor that it will need, so that of those who were let in none is turned away for
 * want of one. What they send stays in the kernel.
 */
import { type Fd, isSystemError, READABLE, type Sys, type Watch } from "../native/sys.ts";
import type { Clock, Timer } from "../util/clock.ts";
import type { Client } from "./handoff.ts";

interface Place {
  client: Client;
  /** Only there to be free when it is needed. */
  reserved: Fd | null;
  timer: Timer | null;
}

export interface HeldEvents {
  /** It has gone away; its descriptor is the caller's again. */
  left(client: Client): void;
  /** It has waited for as long as it may; its descriptor is the caller's again. */
  late(client: Client): void;
}

type HeldSys = Pick<Sys, "epoll" | "epollAdd" | "epollRemove" | "epollWait" | "watch" | "close">;

export class Held {
  readonly #sys: HeldSys;
  readonly #clock: Clock;
  /** Since a client was accepted; `null`: without end. */
  readonly #timeoutMs: () => number | null;
  readonly #events: HeldEvents;
  /** By the client's descriptor; a map keeps its order. */
  readonly #places = new Map<Fd, Place>();
  /** Reports errors and hang-ups of the clients, which come unasked; open while there are any. */
  #departures: { epoll: Fd; watch: Watch } | null = null;

  constructor(sys: HeldSys, clock: Clock, timeoutMs: () => number | null, events: HeldEvents) {
    this.#sys = sys;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#events = events;
  }

  get size(): number {
    return this.#places.size;
  }

  /** All of them, in their order. */
  *clients(): Iterable<Client> {
    for (const { client } of this.#places.values()) yield client;
  }

  /** Keeps `reserved` too, until the client's turn has come. */
  add(client: Client, reserved: Fd | null): void {
    const { fd, acceptedAt } = client.incoming;
    const place: Place = { client, reserved, timer: null };
    const timeoutMs = this.#timeoutMs();
    if (timeoutMs !== null) {
      const leftMs = acceptedAt + timeoutMs - this.#clock.now();
      place.timer = this.#clock.after(Math.max(0, leftMs), () => {
        this.#remove(place);
        this.#events.late(client);
      });
    }
    this.#places.set(fd, place);
    this.#watch(fd);
  }

  /** The one that has waited for longest; its second descriptor is free at this moment. */
  shift(): Client | null {
    for (const place of this.#places.values()) {
      this.#remove(place);
      return place.client;
    }
    return null;
  }

  #remove({ client, reserved, timer }: Place): void {
    const { fd } = client.incoming;
    timer?.cancel();
    this.#places.delete(fd);
    this.#unwatch(fd);
    if (reserved !== null) this.#sys.close(reserved);
  }

  #watch(fd: Fd): void {
    try {
      this.#departures ??= this.#open();
      this.#sys.epollAdd(this.#departures.epoll, fd, 0);
    } catch (error) {
      // Want of descriptors or memory: then a client that goes is noticed when its daemon is there.
      if (!isSystemError(error)) throw error;
    }
  }

  #open(): { epoll: Fd; watch: Watch } {
    const epoll = this.#sys.epoll();
    const watch = this.#sys.watch(epoll, () => {
      for (const { fd } of this.#sys.epollWait(epoll)) this.#left(fd);
    });
    watch.start(READABLE);
    return { epoll, watch };
  }

  #left(fd: Fd): void {
    const place = this.#places.get(fd);
    if (place === undefined) return;
    this.#remove(place);
    this.#events.left(place.client);
  }

  #unwatch(fd: Fd): void {
    if (this.#departures === null) return;
    const { epoll, watch } = this.#departures;
    try {
      this.#sys.epollRemove(epoll, fd);
    } catch (error) {
      // It could not be added.
      if (!isSystemError(error)) throw error;
    }
    if (this.#places.size > 0) return;
    watch.close();
    this.#sys.close(epoll);
    this.#departures = null;
  }
}
