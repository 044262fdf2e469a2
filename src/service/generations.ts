/**
 * The generations of a service and how one follows another: who gets newcomers, who only finishes, and what a reload
 * does with workers that run (`replace`).
 */
import type { ServiceConfig } from "../config/config.ts";
import { closeDoors, openDoors } from "../handoff/departure.ts";
import type { Carry } from "../native/carry.ts";
import { ok } from "../util/result.ts";
import { Generation, type GenerationOwner, type SavedGeneration } from "./generation.ts";
import type { Handler } from "./handler.ts";
import type { World } from "./world.ts";

/** What came of another configuration. */
export interface Applied {
  workers: "kept" | "replaced";
  /** Why the old one is still in force. */
  failure: string | null;
  /** Connections that were still open after `drain_timeout`. */
  ended: number;
}

/** How often it is looked whether those who are with workers that are to go have gone. */
const sampleMs = 250;

export class Generations {
  readonly #world: World;
  readonly #owner: GenerationOwner;
  /** It has become another: newcomers are to be watched for on its behalf. */
  readonly #onSwitch: () => void;
  #current: Generation;
  /** Those that were replaced, as long as they have handlers, or connections that have outlived those. */
  readonly #past = new Set<Generation>();
  /** Its workers go, so that no other is to come. */
  #leaving: Generation | null = null;
  /** Told what becomes of the first worker of a generation that is to be the next. */
  #onTrial: { generation: Generation; settle: (failure: string | null) => void } | null = null;

  constructor(world: World, config: ServiceConfig, owner: GenerationOwner, onSwitch: () => void) {
    this.#world = world;
    this.#owner = owner;
    this.#onSwitch = onSwitch;
    this.#current = new Generation(world, config, owner, null);
  }

  /** Who gets newcomers. */
  get current(): Generation {
    return this.#current;
  }

  get all(): Generation[] {
    return [this.#current, ...this.#past];
  }

  of(handler: Handler): Generation | undefined {
    return this.all.find(({ handlers }) => handlers.has(handler));
  }

  /** Whether the workers of one are going, so that the next can come. */
  get isHandingOver(): boolean {
    return this.#leaving !== null;
  }

  isLeaving(generation: Generation): boolean {
    return this.#leaving === generation;
  }

  /** Its worker is ready (`null`) or will not be. */
  judged(generation: Generation, failure: string | null): void {
    if (this.#onTrial?.generation === generation) this.#onTrial.settle(failure);
  }

  /** The present one first. Not to be asked for while one follows another. */
  save(carry: Carry): { config: ServiceConfig; saved: SavedGeneration }[] {
    return this.all.map((generation) => ({ config: generation.config, saved: generation.save(carry) }));
  }

  /** @returns all their handlers */
  restore(all: readonly { config: ServiceConfig; saved: SavedGeneration }[], claim: Carry): Handler[] {
    const [present, ...past] = all;
    if (present === undefined) throw new Error("a service without a generation");
    const handlers = this.#current.restore(present.saved, claim);
    for (const { config, saved } of past) {
      const generation = new Generation(this.#world, config, this.#owner, this.#current);
      this.#past.add(generation);
      handlers.push(...generation.restore(saved, claim));
    }
    return handlers;
  }

  /** A handler or a connection has gone, perhaps the last of its generation. */
  forgetEmpty(): void {
    for (const past of this.#past) {
      if (past.handlers.size > 0) continue;
      past.launcher.retire();
      if (!past.hasConnections) this.#past.delete(past);
    }
  }

  /** Hands the service over to a generation by another configuration. @param isStopped nothing runs, nor is to */
  async succeed(config: ServiceConfig, isStopped: boolean): Promise<Applied> {
    const old = this.#current;
    const next = new Generation(this.#world, config, this.#owner, old);
    const prepared = isStopped ? ok(null) : next.launcher.prepare();
    if (!prepared.ok) {
      const reason = prepared.error.map(({ key, message }) => `${key}: ${message}`).join("; ");
      return { workers: "kept", failure: reason, ended: 0 };
    }
    const runs = [...old.handlers].some(({ connection, isStopping }) => connection === null && !isStopping);
    if (!runs) {
      this.#switchTo(next);
      return { workers: "replaced", failure: null, ended: 0 };
    }
    if (config.replace === "overlap" && config.handoff === old.config.handoff) {
      const failure = await this.#tryOut(next);
      if (failure !== null) {
        next.stopHandlers("it was to replace others and is not ready");
        next.launcher.retire();
        return { workers: "kept", failure, ended: 0 };
      }
      this.#switchTo(next);
      return { workers: "replaced", failure: null, ended: await this.#waitOut(old) };
    }
    const ended = await this.#sendAway(old);
    this.#switchTo(next);
    return { workers: "replaced", failure: null, ended };
  }

  /** Starts one worker of a generation that nobody comes to yet. @returns why it is of no use */
  async #tryOut(generation: Generation): Promise<string | null> {
    const outcome = new Promise<string | null>((settle) => {
      this.#onTrial = { generation, settle };
    });
    generation.handoff.warm();
    if (generation.handlers.size === 0)
      this.judged(generation, generation.starts.lastFailure ?? "it did not start");
    const failure = await outcome;
    this.#onTrial = null;
    return failure;
  }

  #switchTo(next: Generation): void {
    const old = this.#current;
    this.#current = next;
    this.#past.add(old);
    if (next.config.handoff === old.config.handoff) {
      next.handoff.receiveClients(old.handoff.surrenderClients());
    }
    next.handoff.receive(old.handoff.surrender());
    this.#owner.listeners.rewatch();
    this.#onSwitch();
    old.handoff.retire();
    this.forgetEmpty();
  }

  /** Workers that are not given anything new end with their last connection. @returns how many had to be ended */
  async #waitOut(old: Generation): Promise<number> {
    const isLate = this.#deadline(old.config.drainTimeout);
    while (old.handlers.size > 0 && !isLate()) await this.pause();
    const open = [...old.handlers].reduce(
      (sum, handler) => sum + (handler.isStopping ? 0 : (old.handoff.connectionsOf(handler) ?? 0)),
      0,
    );
    old.stopHandlers("drain_timeout");
    return open;
  }

  /** Workers are told to stop once nobody is with them, and nobody comes meanwhile. @returns how many were left */
  async #sendAway(old: Generation): Promise<number> {
    const { sys } = this.#world;
    this.#leaving = old;
    this.#owner.listeners.rewatch();
    const acceptors = old.handoff.accepts ? [] : this.#owner.listeners.bound;
    closeDoors(sys, acceptors);
    const isLate = this.#deadline(old.config.drainTimeout);
    while (old.handlers.size > 0 && !this.isLeft(old) && !isLate()) await this.pause();
    // Whoever waits for the next worker is not with this one.
    const open = old.handlers.size > 0 && !this.isLeft(old) ? this.#countWith(old) : 0;
    old.stopHandlers("it is replaced");
    while (old.handlers.size > 0) await this.pause();
    // One may have been bound anew meanwhile.
    openDoors(
      sys,
      acceptors.filter((listener) => this.#owner.listeners.bound.includes(listener)),
    );
    this.#leaving = null;
    return open;
  }

  #countWith({ handoff }: Generation): number {
    const { connections, traces, listeners } = this.#owner;
    return handoff.accepts ? connections.open : (traces.count(listeners.bound) ?? 0);
  }

  /** Nobody is with its workers any more. */
  isLeft(generation: Generation): boolean {
    if (generation.handoff.accepts) return this.#owner.connections.open === 0;
    return this.#owner.traces.isQuiet(this.#owner.listeners.bound, [...generation.handlers]);
  }

  #deadline(timeoutMs: number | null): () => boolean {
    const end = timeoutMs === null ? Number.POSITIVE_INFINITY : this.#world.clock.now() + timeoutMs;
    return () => this.#world.clock.now() >= end;
  }

  /** Until it is worth looking again. */
  pause(): Promise<void> {
    return new Promise((resolve) => this.#world.clock.after(sampleMs, resolve));
  }
}
