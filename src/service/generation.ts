/**
 * How a service starts its handlers and hands over to them, by one configuration: plan, counting of starts, handoff. A
 * reload that changes any of it gives the service another generation for whoever comes from then on; the old one keeps
 * who is with it to the end.
 */
import type { Load } from "../admission/admit.ts";
import type { ServiceConfig } from "../config/config.ts";
import type { Handoff } from "../handoff/handoff.ts";
import { createHandoff } from "../handoff/index.ts";
import type { UdpPeers } from "../handoff/udp-peers.ts";
import type { Carry, Saved } from "../native/carry.ts";
import type { ChildExit } from "../native/sys.ts";
import type { Connections } from "./connections.ts";
import type { Counters } from "./counters.ts";
import type { Handler, SavedHandler } from "./handler.ts";
import { ServiceHost } from "./host.ts";
import { Launcher } from "./launcher.ts";
import type { Listeners } from "./listeners.ts";
import { type SavedStarts, Starts } from "./starts.ts";
import type { Traces } from "./traces.ts";
import type { World } from "./world.ts";

/** The service as its generations see it. */
export interface GenerationOwner {
  readonly listeners: Listeners;
  readonly connections: Connections;
  readonly peers: UdpPeers;
  readonly traces: Traces;
  readonly counters: Counters;
  /** Whether newcomers may come to this generation now. */
  mayGoOn(generation: Generation): boolean;
  /** Whether it may start workers for those who are in. */
  mayStart(generation: Generation): boolean;
  isStopped(): boolean;
  load(pending: number): Load;
  started(generation: Generation, handler: Handler): void;
  ready(generation: Generation, handler: Handler): void;
  gone(generation: Generation, handler: Handler, exit: ChildExit): void;
  connectionOpened(): void;
  /** Somebody is not kept outside any more; `then` is to be done before it is seen whether that makes room. */
  released(then: () => void): void;
  connectionGone(): void;
  backOff(generation: Generation, reason: string, until: number): void;
  short(until: number): void;
}

/** One at a moment, without its configuration. */
export interface SavedGeneration {
  starts: SavedStarts;
  handlers: SavedHandler[];
  handoff: Saved;
}

export class Generation {
  /** Keys that do not concern how handlers are started may change while it lives. */
  config: ServiceConfig;
  readonly launcher: Launcher;
  readonly starts: Starts;
  readonly handoff: Handoff;
  readonly handlers = new Set<Handler>();
  readonly #world: World;
  readonly #owner: GenerationOwner;

  /** @param previous the one that it is to succeed */
  constructor(world: World, config: ServiceConfig, owner: GenerationOwner, previous: Generation | null) {
    this.config = config;
    this.#world = world;
    this.#owner = owner;
    this.launcher = new Launcher(world, this, () => owner.listeners.bound, previous?.launcher ?? null);
    this.starts = this.#newStarts();
    this.handoff = createHandoff(config.handoff, new ServiceHost(world, owner, this));
  }

  /** Whether connections are open that it has let in. */
  get hasConnections(): boolean {
    for (const _connection of this.handoff.connections()) return true;
    return false;
  }

  stopHandlers(reason: string): void {
    for (const handler of this.handlers) handler.stop(reason);
  }

  save(carry: Carry): SavedGeneration {
    return {
      starts: this.starts.save(),
      handlers: [...this.handlers].map((handler) => handler.save(carry)),
      handoff: this.handoff.save(carry),
    };
  }

  /** @returns its handlers, which are the caller's to make known */
  restore({ starts, handlers, handoff }: SavedGeneration, claim: Carry): Handler[] {
    this.starts.restore(starts);
    for (const saved of handlers) this.handlers.add(this.starts.adopt(saved, claim));
    const restored = [...this.handlers];
    this.handoff.restore(handoff, {
      claim,
      handlers: new Map(restored.map((handler) => [handler.pid, handler])),
      listeners: this.#owner.listeners.bound,
    });
    return restored;
  }

  #newStarts(): Starts {
    const owner = this.#owner;
    return new Starts(this.#world, this, this.launcher, owner.counters, {
      started: (handler) => {
        this.handlers.add(handler);
        owner.started(this, handler);
      },
      ready: (handler) => {
        this.handoff.ready(handler);
        owner.ready(this, handler);
      },
      gone: (handler, exit) => {
        this.handlers.delete(handler);
        this.handoff.gone(handler, exit.code !== 0);
        owner.gone(this, handler, exit);
      },
      aged: (handler) => this.handoff.aged(handler),
      backOff: (reason, until) => owner.backOff(this, reason, until),
      short: (until) => owner.short(until),
    });
  }
}
