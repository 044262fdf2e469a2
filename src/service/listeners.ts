/**
 * The listeners of one service: binds what is declared, tries again what could not be bound (alone, while the rest
 * serves), watches or leaves alone, closes. The only owner of their descriptors.
 */
import type { ListenerConfig } from "../config/config.ts";
import type { Watch } from "../native/sys.ts";
import { DISCONNECT, READABLE } from "../native/sys.ts";
import { type BoundListener, closeListener, openListener } from "../net/listen.ts";
import type { Timer } from "../util/clock.ts";
import { retryWaitMs } from "./limits.ts";
import type { World } from "./world.ts";

/** A declared listener that is not bound at the moment. */
export interface MissingListener {
  /** Canonical. */
  address: string;
  reason: string;
  /** When it is tried again, on the monotonic clock. */
  retryAt: number;
}

export interface ListenerEvents {
  bound(listener: BoundListener, recovered: boolean): void;
  missing(missing: MissingListener, again: boolean): void;
  readable(listener: BoundListener): void;
  /** A handler has it for itself at the moment, so that it is not watched. */
  isHeld(listener: BoundListener): boolean;
  /** It is watched even while the others are left alone. */
  isReadOn(listener: BoundListener): boolean;
  /** It is about to be closed. */
  closing(listener: BoundListener): void;
}

interface Socket {
  listener: BoundListener;
  watch: Watch;
}

/** One entry of `listen`: bound as one or more sockets (a name may have several addresses), or waiting for a retry. */
interface Slot {
  readonly declared: ListenerConfig;
  /** Once port 0 has become a port, it stays that one for as long as the service listens. */
  pinned: ListenerConfig | null;
  sockets: Socket[];
  failures: number;
  missing: MissingListener | null;
  timer: Timer | null;
}

export class Listeners {
  readonly #world: World;
  readonly #events: ListenerEvents;
  readonly #slots: Slot[];
  #watching = false;
  /** Raised by `close`, so that a bind that was under way then is closed when it is done. */
  #generation = 0;

  constructor(world: World, declared: readonly ListenerConfig[], events: ListenerEvents) {
    this.#world = world;
    this.#events = events;
    this.#slots = declared.map((entry) => ({
      declared: entry,
      pinned: null,
      sockets: [],
      failures: 0,
      missing: null,
      timer: null,
    }));
  }

  get bound(): BoundListener[] {
    return this.#slots.flatMap((slot) => slot.sockets.map(({ listener }) => listener));
  }

  get missing(): MissingListener[] {
    return this.#slots.flatMap((slot) => slot.missing ?? []);
  }

  /** Resolves when every listener has been tried once. */
  async open(): Promise<void> {
    const generation = this.#generation;
    await Promise.all(this.#slots.map((slot) => this.#bind(slot, generation)));
  }

  /** Watches all, or none but those that are read on. */
  watch(on: boolean): void {
    if (this.#watching === on) return;
    this.#watching = on;
    this.rewatch();
  }

  /** Which listeners a handler has for itself, or which are read on, may have changed. */
  rewatch(): void {
    for (const slot of this.#slots) for (const socket of slot.sockets) this.#apply(socket);
  }

  close(): void {
    this.#generation += 1;
    this.#watching = false;
    for (const slot of this.#slots) {
      this.#release(slot);
      slot.pinned = null;
    }
  }

  /** A listener that is of no use any more is closed and bound anew, as if it had never been. */
  reopen(listener: BoundListener, reason: string): void {
    const slot = this.#slots.find(({ sockets }) => sockets.some((socket) => socket.listener === listener));
    if (slot === undefined) return;
    this.#release(slot);
    // At once: in the meantime clients are refused.
    this.#retry(slot, listener.canonical, reason, this.#generation, 0);
  }

  async #bind(slot: Slot, generation: number): Promise<void> {
    const { sys, inherited } = this.#world;
    const outcome = await openListener(sys, slot.pinned ?? slot.declared, { inherited });
    if (generation !== this.#generation) {
      if (outcome.ok) for (const listener of outcome.value) closeListener(this.#world.sys, listener);
      return;
    }
    if (!outcome.ok) {
      this.#retry(slot, outcome.error.address, outcome.error.reason, generation);
      return;
    }
    const recovered = slot.failures > 0;
    slot.failures = 0;
    slot.missing = null;
    slot.pinned = pin(slot.declared, outcome.value[0]);
    for (const listener of outcome.value) {
      const watch = this.#world.sys.watch(listener.fd, (events) => this.#ready(listener, events));
      const socket = { listener, watch };
      slot.sockets.push(socket);
      this.#apply(socket);
      this.#events.bound(listener, recovered);
    }
  }

  /** No socket here has another end that could hang up: a handler that shared it has shut it down for all. */
  #ready(listener: BoundListener, events: number): void {
    if ((events & DISCONNECT) !== 0 && listener.kind !== "fifo") {
      this.reopen(listener, "a handler has shut it down");
    } else this.#events.readable(listener);
  }

  #retry(slot: Slot, address: string, reason: string, generation: number, inMs?: number): void {
    slot.failures += 1;
    const waitMs = inMs ?? retryWaitMs(slot.failures);
    const again = slot.missing?.reason === reason;
    slot.missing = { address, reason, retryAt: this.#world.clock.now() + waitMs };
    slot.timer = this.#world.clock.after(waitMs, () => {
      slot.timer = null;
      void this.#bind(slot, generation);
    });
    this.#events.missing(slot.missing, again);
  }

  #release(slot: Slot): void {
    slot.timer?.cancel();
    slot.timer = null;
    slot.missing = null;
    for (const { listener, watch } of slot.sockets) {
      this.#events.closing(listener);
      watch.close();
      closeListener(this.#world.sys, listener);
    }
    slot.sockets = [];
  }

  #apply({ listener, watch }: Socket): void {
    const wanted = this.#watching ? !this.#events.isHeld(listener) : this.#events.isReadOn(listener);
    if (wanted) watch.start(READABLE | DISCONNECT);
    else watch.stop();
  }
}

function pin(declared: ListenerConfig, bound: BoundListener | undefined): ListenerConfig | null {
  const { endpoint } = declared;
  if (bound === undefined || bound.address.family === "unix") return null;
  if ((endpoint.kind !== "tcp" && endpoint.kind !== "udp") || endpoint.port !== 0) return null;
  return { ...declared, endpoint: { ...endpoint, port: bound.address.port } };
}
