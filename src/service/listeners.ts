/**
 * The listeners of one service: binds what is declared, tries again what could not be bound (alone, while the rest
 * serves), watches or leaves alone, closes. The only owner of their descriptors.
 */
import type { ListenerConfig } from "../config/config.ts";
import type { Carry } from "../native/carry.ts";
import type { Fd, Watch } from "../native/sys.ts";
import { DISCONNECT, READABLE } from "../native/sys.ts";
import { formatEndpoint } from "../net/address.ts";
import { adjustListener } from "../net/adjust.ts";
import { asInherited, type InheritedSocket } from "../net/adopt.ts";
import { type BoundListener, carryListener, closeListener, openListener } from "../net/listen.ts";
import { addTwin, dropForTwin, swapTwins } from "../net/twin.ts";
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
  /** How long that was from when it was found missing, in milliseconds. */
  waitMs: number;
}

export interface ListenerEvents {
  /** Why its kind cannot be served, or `null`. */
  misfit(listener: BoundListener): string | null;
  bound(listener: BoundListener, recovered: boolean): void;
  /** One of its two sockets was replaced; it has never ceased to listen. */
  renewed(listener: BoundListener): void;
  missing(missing: MissingListener, again: boolean): void;
  readable(listener: BoundListener): void;
  /** A handler has it for itself at the moment, so that it is not watched. */
  isHeld(listener: BoundListener): boolean;
  /** Who waits at its twin waits for the next worker: that is not watched then. */
  isTwinHeld(listener: BoundListener): boolean;
  /** It is watched even while the others are left alone. */
  isReadOn(listener: BoundListener): boolean;
  /** It is about to be closed. */
  closing(listener: BoundListener): void;
}

interface Socket {
  readonly listener: BoundListener;
  /** Of its descriptor and of its twin's. */
  readonly watches: Map<Fd, Watch>;
}

/** One entry of `listen`: bound as one or more sockets (a name may have several addresses), or waiting for a retry. */
interface Slot {
  declared: ListenerConfig;
  /** Once port 0 has become a port, it stays that one for as long as the service listens. */
  pinned: ListenerConfig | null;
  sockets: Socket[];
  failures: number;
  missing: MissingListener | null;
  isBinding: boolean;
  timer: Timer | null;
  /** It was a socket that we had been given, and of no use: there will be no other. */
  misfit: { address: string; reason: string } | null;
}

/** One entry of `listen` at one moment. */
export interface SavedSlot {
  /** Each with its descriptors. */
  bound: BoundListener[];
  /** Of port 0. */
  pinnedPort: number | null;
  failures: number;
  missing: MissingListener | null;
  misfit: { address: string; reason: string } | null;
}

export class Listeners {
  readonly #world: World;
  readonly #events: ListenerEvents;
  #slots: Slot[];
  readonly #twins: () => boolean;
  #watching = false;
  /** Raised by `close`, so that a bind that was under way then is closed when it is done. */
  #generation = 0;

  /** @param twins whether Unix sockets that are bound get a twin (`net/twin.ts`) */
  constructor(
    world: World,
    declared: readonly ListenerConfig[],
    twins: () => boolean,
    events: ListenerEvents,
  ) {
    this.#world = world;
    this.#twins = twins;
    this.#events = events;
    this.#slots = declared.map(newSlot);
  }

  get bound(): BoundListener[] {
    return this.#slots.flatMap((slot) => slot.sockets.map(({ listener }) => listener));
  }

  get missing(): MissingListener[] {
    return this.#slots.flatMap((slot) => slot.missing ?? []);
  }

  /** In the order in which they are declared. */
  save(carry: Carry): SavedSlot[] {
    return this.#slots.map(({ sockets, pinned, failures, missing, misfit }) => ({
      bound: sockets.map(({ listener }) => carryListener(listener, carry)),
      pinnedPort: pinned === null ? null : portOf(pinned),
      failures,
      missing,
      misfit,
    }));
  }

  /** What was about to be bound is left to `open`. Nobody is told of anything. */
  restore(saved: readonly SavedSlot[], claim: Carry): void {
    this.#slots.forEach((slot, index) => {
      const was = saved[index];
      if (was === undefined) return;
      slot.failures = was.failures;
      slot.misfit = was.misfit;
      slot.pinned = was.pinnedPort === null ? null : withPort(slot.declared, was.pinnedPort);
      for (const bound of was.bound) {
        const socket = { listener: carryListener(bound, claim), watches: new Map<Fd, Watch>() };
        slot.sockets.push(socket);
        this.#apply(socket);
      }
      if (was.missing !== null) this.#retryAt(slot, was.missing, this.#generation);
    });
  }

  /** Binds those that are neither bound nor waiting to be. Resolves when each has been tried once. */
  async open(): Promise<void> {
    const generation = this.#generation;
    const left = this.#slots.filter(
      ({ sockets, missing, isBinding }) => sockets.length === 0 && missing === null && !isBinding,
    );
    await Promise.all(left.map((slot) => this.#bind(slot, generation)));
  }

  /**
   * Takes another declaration. What stands in both keeps its socket, what is new is bound, and only then what is gone
   * is closed. Resolves when everything has been tried once. Where nothing is open yet, nothing is.
   */
  async reconfigure(declared: readonly ListenerConfig[], isOpen: boolean): Promise<void> {
    const gone = [...this.#slots];
    this.#slots = declared.map((entry) => {
      const index = gone.findIndex(
        ({ declared, pinned }) =>
          sameAddress(declared, entry) || (pinned !== null && sameAddress(pinned, entry)),
      );
      const [slot] = index < 0 ? [] : gone.splice(index, 1);
      if (slot === undefined) return newSlot(entry);
      if (isOpen) this.#redeclare(slot, entry);
      else slot.declared = entry;
      return slot;
    });
    if (!isOpen) return;
    const generation = this.#generation;
    const bind = (slots: readonly Slot[]) => Promise.all(slots.map((slot) => this.#bind(slot, generation)));
    // What is the same socket after all, only declared in other words, is adopted.
    const left = gone.flatMap((slot) => this.#handOver(slot));
    this.#world.inherited.push(...left);
    await bind(
      this.#slots.filter(
        ({ sockets, timer, isBinding }) => sockets.length + Number(isBinding) === 0 && timer === null,
      ),
    );
    for (const slot of gone) this.#release(slot);
    this.#discard(left);
    if (gone.length === 0) return;
    // Some may have been in the way of others.
    const failed = this.#slots.filter(({ missing }) => missing !== null);
    for (const slot of failed) slot.timer?.cancel();
    await bind(failed);
  }

  /** Closes what nobody has adopted. */
  #discard(given: readonly InheritedSocket[]): void {
    const { inherited, sys } = this.#world;
    for (const socket of given) {
      const index = inherited.indexOf(socket);
      if (index < 0) continue;
      inherited.splice(index, 1);
      sys.close(socket.fd);
    }
  }

  /** The same address, perhaps with other options. */
  #redeclare(slot: Slot, entry: ListenerConfig): void {
    const before = slot.declared;
    slot.declared = entry;
    if (JSON.stringify(before.options) === JSON.stringify(entry.options)) return;
    const { sys } = this.#world;
    const adjusted = slot.sockets.every(({ listener }) =>
      adjustListener(sys, listener, before.options, entry.options),
    );
    // What is bound anew is bound as soon as the old socket is out of the way.
    if (!adjusted) this.#release(slot);
    if (slot.pinned !== null) slot.pinned = { ...entry, endpoint: slot.pinned.endpoint };
  }

  /**
   * Gives away the internet sockets at `addresses` (as configured), as if they had been inherited: whoever declares
   * one next adopts it with whoever waits there. Nodes of Unix sockets cannot be given away.
   */
  giveAway(addresses: ReadonlySet<string>): InheritedSocket[] {
    const wanted = ({ declared, pinned }: Slot) =>
      [declared, pinned].some((entry) => entry !== null && addresses.has(formatEndpoint(entry.endpoint)));
    return this.#slots.filter(wanted).flatMap((slot) => this.#handOver(slot));
  }

  #handOver(slot: Slot): InheritedSocket[] {
    const { kind } = slot.declared.endpoint;
    if (kind !== "tcp" && kind !== "udp") return [];
    return slot.sockets.splice(0).map(({ listener, watches }) => {
      this.#events.closing(listener);
      for (const watch of watches.values()) watch.close();
      return asInherited(listener);
    });
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

  /**
   * Replaces one of two twins that a handler has shut down. Who waits at the other is not lost.
   * @returns whether the listener has a twin that is of use
   */
  renew(listener: BoundListener): boolean {
    const { sys } = this.#world;
    const isShut = (fd: Fd) => (sys.poll(fd) & DISCONNECT) !== 0;
    const slot = this.#slotOf(listener);
    const socket = slot?.sockets.find((one) => one.listener === listener);
    const { fd, twin } = listener;
    if (slot === undefined || socket === undefined || twin === null) return false;
    if (isShut(fd) && isShut(twin.fd)) return false;
    if (!isShut(fd) && !isShut(twin.fd)) return true;
    const shut = isShut(fd) ? fd : twin.fd;
    if (shut === twin.fd) swapTwins(listener);
    socket.watches.get(shut)?.close();
    socket.watches.delete(shut);
    dropForTwin(sys, listener);
    // Without one it serves all the same.
    addTwin(sys, listener, slot.declared.options);
    this.#apply(socket);
    this.#events.renewed(listener);
    return true;
  }

  /** A listener that is of no use any more is closed and bound anew, as if it had never been. */
  reopen(listener: BoundListener, reason: string): void {
    const slot = this.#slotOf(listener);
    if (slot === undefined) return;
    this.#release(slot);
    // At once: in the meantime clients are refused.
    this.#retry(slot, listener.canonical, reason, this.#generation, 0);
  }

  #slotOf(listener: BoundListener): Slot | undefined {
    return this.#slots.find(({ sockets }) => sockets.some((socket) => socket.listener === listener));
  }

  async #bind(slot: Slot, generation: number): Promise<void> {
    const { sys, inherited } = this.#world;
    const twins = this.#twins();
    slot.isBinding = true;
    const outcome = await openListener(sys, slot.pinned ?? slot.declared, { inherited, twins });
    slot.isBinding = false;
    if (generation !== this.#generation) {
      if (outcome.ok) for (const listener of outcome.value) closeListener(this.#world.sys, listener);
      return;
    }
    if (!outcome.ok) {
      const { address, reason } = slot.misfit ?? outcome.error;
      this.#retry(slot, address, reason, generation);
      return;
    }
    slot.misfit = this.#misfitOf(outcome.value);
    if (slot.misfit !== null) {
      for (const listener of outcome.value) closeListener(sys, listener);
      this.#retry(slot, slot.misfit.address, slot.misfit.reason, generation);
      return;
    }
    const recovered = slot.failures > 0;
    slot.failures = 0;
    slot.missing = null;
    slot.pinned = pin(slot.declared, outcome.value[0]);
    for (const listener of outcome.value) {
      const socket = { listener, watches: new Map<Fd, Watch>() };
      slot.sockets.push(socket);
      this.#apply(socket);
      this.#events.bound(listener, recovered);
    }
  }

  /**
   * Watched is only what is wanted now: making a watch makes the descriptor non-blocking for a moment, also for a handler
   * that has the same open socket and is about to accept.
   */
  #watchOf({ listener, watches }: Socket, fd: Fd): Watch {
    const { sys } = this.#world;
    const known = watches.get(fd);
    if (known !== undefined) return known;
    const blocking = sys.isBlocking(fd);
    const watch = sys.watch(fd, (events) => this.#ready(listener, events));
    if (blocking) sys.setBlocking(fd, true);
    watches.set(fd, watch);
    return watch;
  }

  /** What kind of socket we were given is known only now. */
  #misfitOf(listeners: readonly BoundListener[]): { address: string; reason: string } | null {
    for (const listener of listeners) {
      const reason = this.#events.misfit(listener);
      if (reason !== null) return { address: listener.canonical, reason };
    }
    return null;
  }

  /** No socket here has another end that could hang up: a handler that shared it has shut it down for all. */
  #ready(listener: BoundListener, events: number): void {
    if ((events & DISCONNECT) === 0 || listener.kind === "fifo") this.#events.readable(listener);
    else if (!this.renew(listener)) this.reopen(listener, "a handler has shut it down");
  }

  #retry(slot: Slot, address: string, reason: string, generation: number, inMs?: number): void {
    slot.failures += 1;
    const waitMs = inMs ?? retryWaitMs(slot.failures);
    const again = slot.missing?.reason === reason;
    const missing = { address, reason, retryAt: this.#world.clock.now() + waitMs, waitMs };
    this.#retryAt(slot, missing, generation);
    this.#events.missing(missing, again);
  }

  #retryAt(slot: Slot, missing: MissingListener, generation: number): void {
    const { clock } = this.#world;
    slot.missing = missing;
    slot.timer = clock.after(Math.max(0, missing.retryAt - clock.now()), () => {
      slot.timer = null;
      void this.#bind(slot, generation);
    });
  }

  #release(slot: Slot): void {
    slot.timer?.cancel();
    slot.timer = null;
    slot.missing = null;
    for (const { listener, watches } of slot.sockets) {
      this.#events.closing(listener);
      for (const watch of watches.values()) watch.close();
      closeListener(this.#world.sys, listener);
    }
    slot.sockets = [];
  }

  #apply(socket: Socket): void {
    for (const fd of descriptorsOf(socket.listener)) {
      if (this.#isWanted(socket.listener, fd)) this.#watchOf(socket, fd).start(READABLE | DISCONNECT);
      else socket.watches.get(fd)?.stop();
    }
  }

  #isWanted(listener: BoundListener, fd: Fd): boolean {
    if (fd !== listener.fd) return this.#watching && !this.#events.isTwinHeld(listener);
    return this.#watching ? !this.#events.isHeld(listener) : this.#events.isReadOn(listener);
  }
}

function descriptorsOf({ fd, twin }: BoundListener): Fd[] {
  return twin === null ? [fd] : [fd, twin.fd];
}

function newSlot(declared: ListenerConfig): Slot {
  return {
    declared,
    pinned: null,
    sockets: [],
    failures: 0,
    missing: null,
    misfit: null,
    isBinding: false,
    timer: null,
  };
}

function sameAddress(one: ListenerConfig, other: ListenerConfig): boolean {
  return formatEndpoint(one.endpoint) === formatEndpoint(other.endpoint);
}

function pin(declared: ListenerConfig, bound: BoundListener | undefined): ListenerConfig | null {
  const { endpoint } = declared;
  if (bound === undefined || bound.address.family === "unix") return null;
  if ((endpoint.kind !== "tcp" && endpoint.kind !== "udp") || endpoint.port !== 0) return null;
  return withPort(declared, bound.address.port);
}

function withPort(declared: ListenerConfig, port: number): ListenerConfig {
  const { endpoint } = declared;
  return endpoint.kind === "tcp" || endpoint.kind === "udp"
    ? { ...declared, endpoint: { ...endpoint, port } }
    : declared;
}

function portOf({ endpoint }: ListenerConfig): number | null {
  return (endpoint.kind === "tcp" || endpoint.kind === "udp") && typeof endpoint.port === "number"
    ? endpoint.port
    : null;
}
