/**
 * What a generation does for its handoff: the parts of its service that a handoff may use, and no more. A class, since
 * every service has one: as an object with forty functions of its own it took 5 KiB.
 */
import { admit } from "../admission/admit.ts";
import type { ServiceConfig } from "../config/config.ts";
import type { Connection, HandlerRef, HandoffHost, Incoming, LaunchRequest } from "../handoff/handoff.ts";
import type { UdpPeers } from "../handoff/udp-peers.ts";
import type { RefusalReason } from "../log/events.ts";
import type { Saved } from "../native/carry.ts";
import type { Fd, Sys } from "../native/sys.ts";
import type { HeldConnection, OnEnd, WatchedEnd } from "../net/ends.ts";
import { type BoundListener, repairListener } from "../net/listen.ts";
import { livingTcp, livingUnix } from "../net/living.ts";
import { queueLength, waitingAt } from "../net/waiting.ts";
import type { SpawnFailure } from "../process/child.ts";
import type { Clock } from "../util/clock.ts";
import type { Result } from "../util/result.ts";
import type { Generation, GenerationOwner } from "./generation.ts";
import type { World } from "./world.ts";

export class ServiceHost implements HandoffHost {
  readonly sys: Sys;
  readonly clock: Clock;
  readonly peers: UdpPeers;
  readonly nextConnection: () => number;
  readonly #world: World;
  readonly #owner: GenerationOwner;
  readonly #generation: Generation;

  constructor(world: World, owner: GenerationOwner, generation: Generation) {
    this.sys = world.sys;
    this.clock = world.clock;
    this.peers = owner.peers;
    this.nextConnection = world.nextConnection;
    this.#world = world;
    this.#owner = owner;
    this.#generation = generation;
  }

  get config(): ServiceConfig {
    return this.#generation.config;
  }

  mayGoOn(): boolean {
    return this.#owner.mayGoOn(this.#generation);
  }

  mayStart(): boolean {
    return this.#owner.mayStart(this.#generation);
  }

  isStopped(): boolean {
    return this.#owner.isStopped();
  }

  admit(pending: number): RefusalReason | null {
    return admit(this.#owner.load(pending));
  }

  launch(requests: readonly LaunchRequest[]): Result<HandlerRef, SpawnFailure>[] {
    return this.#generation.starts.launch(requests);
  }

  /** Where clients are refused at a limit, that is told of each by `admit`. */
  room(): number {
    if (this.config.onLimit === "refuse") return Number.POSITIVE_INFINITY;
    const { instances, maxInstances, total, maxTotal } = this.#owner.load(0);
    return Math.min(maxInstances - instances, maxTotal - total);
  }

  keep(): void {
    this.#owner.connections.keep();
    this.#owner.connectionOpened();
  }

  release(then: () => void): void {
    this.#owner.connections.release();
    this.#owner.released(then);
  }

  refuse(incoming: Incoming, reason: RefusalReason, error?: string): void {
    this.#owner.connections.refuse(incoming, reason, error);
  }

  turnAway(remote: string, local: string, reason: RefusalReason, error?: string): void {
    this.#owner.connections.turnAway(remote, local, reason, error);
  }

  shortage(): void {
    this.#generation.starts.shortage();
  }

  lend<T>(action: () => T): T {
    return this.#world.lend(action);
  }

  broken(listener: BoundListener, reason: string): void {
    this.#owner.listeners.reopen(listener, reason);
  }

  opened(connection: Connection): void {
    this.#owner.connections.opened(connection);
    this.#owner.connectionOpened();
  }

  closed(
    connection: Connection,
    worker: HandlerRef | null,
    bytes: Parameters<HandoffHost["closed"]>[2],
    error?: string,
  ): void {
    this.#owner.connections.closed(connection, {
      pid: worker?.pid ?? null,
      code: null,
      signal: null,
      bytes,
      ...(error === undefined ? {} : { error }),
    });
    this.#owner.connectionGone();
  }

  dismiss(connection: Connection, fd: Fd, reason: RefusalReason, error: string): void {
    this.#owner.connections.dismiss(connection, fd, reason, error);
    this.#owner.connectionGone();
  }

  watchEnd(connection: HeldConnection, onEnd: OnEnd): WatchedEnd {
    return this.#world.ends.watch(connection, onEnd);
  }

  resumeEnd(saved: Saved, onEnd: OnEnd): WatchedEnd {
    return this.#world.ends.resume(saved, onEnd);
  }

  listeners(): readonly BoundListener[] {
    return this.#owner.listeners.bound;
  }

  rewatch(): void {
    this.#owner.listeners.rewatch();
  }

  isQuiet(listeners: readonly BoundListener[], workers: readonly HandlerRef[]): boolean {
    return this.#owner.traces.isQuiet(listeners, workers);
  }

  isDeserted(listeners: readonly BoundListener[]): boolean {
    return this.#owner.traces.isDeserted(listeners);
  }

  tcpIdleMs(): ReadonlyMap<string, number> {
    return this.#owner.traces.tcpIdleMs(this.listeners());
  }

  livingTcp(ports: readonly number[]): ReadonlySet<string> | null {
    return livingTcp(this.sys, this.#world.diag, ports);
  }

  livingUnix(): ReadonlyMap<string, boolean> | null {
    return livingUnix(this.sys, this.#world.diag);
  }

  waiting(listener: BoundListener): readonly string[] {
    return waitingAt(this.sys, this.#world.diag, listener);
  }

  queueLength(listener: BoundListener): number | null {
    return queueLength(this.sys, listener);
  }

  /** What cannot be put right makes the listener useless to the next handler: it is bound anew. */
  repair(listener: BoundListener): void {
    const { listeners } = this.#owner;
    listeners.renew(listener);
    const { failures } = repairListener(this.sys, listener);
    const [first] = failures;
    if (first === undefined) return;
    listeners.reopen(listener, `a handler has changed ${first.option}: ${first.reason}`);
  }

  ended(failure: string | null): void {
    const { starts } = this.#generation;
    if (failure === null) starts.succeeded();
    else starts.failed(failure);
  }

  dropDatagram(listener: BoundListener, reason: string): void {
    this.#owner.connections.dropDatagram(listener, reason);
  }
}
