/**
 * The TCP listener of `[daemon] http`. An address that is taken keeps neither the daemon nor its services from working:
 * it is tried again, as those of services are.
 */
import type { CallerLimits, CallerWorld } from "../control/callers.ts";
import type { Backend } from "../control/routes.ts";
import { type ControlServer, serveControl } from "../control/server.ts";
import type { Emit } from "../log/events.ts";
import type { Carry } from "../native/carry.ts";
import type { Endpoint } from "../net/address.ts";
import type { InheritedSocket } from "../net/adopt.ts";
import {
  type BindFailure,
  type BoundListener,
  carryListener,
  closeListener,
  openListener,
} from "../net/listen.ts";
import { retryWaitMs } from "../service/limits.ts";
import type { Timer } from "../util/clock.ts";
import { ok, type Result } from "../util/result.ts";

export interface WebWorld extends Pick<CallerWorld, "sys" | "clock" | "lend"> {
  emit: Emit;
  backend: Backend;
  bug(error: unknown): void;
  inherited: InheritedSocket[];
}

/** Anybody may come: fewer at once than at the control socket, and nobody stays. */
const limits: CallerLimits = { count: 16, requestMs: 5_000, answerMs: 10_000 };
const backlog = 128;

export class Web {
  readonly #world: WebWorld;
  /** `null`: it is switched off. */
  #endpoint: Endpoint | null;
  #servers: ControlServer[] = [];
  #bound: readonly BoundListener[] = [];
  #failures = 0;
  #reason: string | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(world: WebWorld, endpoint: Endpoint | null) {
    this.#world = world;
    this.#endpoint = endpoint;
  }

  /** Whether it is to be, and is not. */
  get isMissing(): boolean {
    return this.#endpoint !== null && this.#servers.length === 0;
  }

  /** Resolves when it has been tried once. */
  async open(): Promise<void> {
    const endpoint = this.#endpoint;
    if (endpoint === null) return;
    const bound = await this.#bind(endpoint);
    // The end may have come while a name was looked up, or another address.
    if (this.#closed || this.#endpoint !== endpoint || this.#servers.length > 0) {
      if (bound.ok) for (const listener of bound.value) closeListener(this.#world.sys, listener);
    } else if (bound.ok) this.#serve(bound.value);
    else this.#retry(bound.error.address, bound.error.reason);
  }

  /**
   * Moves to another address, or nowhere (`null`). Whoever is being answered at the old one gets the answer.
   * @returns why it stays where it was, or `null`
   */
  async move(endpoint: Endpoint | null): Promise<string | null> {
    const bound = endpoint === null ? ok([]) : await this.#bindBeside(endpoint);
    if (this.#closed) {
      if (bound.ok) for (const listener of bound.value) closeListener(this.#world.sys, listener);
      return null;
    }
    if (!bound.ok) {
      // It may have been closed to make room.
      if (this.isMissing && this.#timer === null) await this.open();
      return `cannot listen on ${bound.error.address}: ${bound.error.reason}`;
    }
    this.#endpoint = endpoint;
    void this.#shut();
    if (bound.value.length > 0) this.#serve(bound.value);
    return null;
  }

  /** Its sockets, for `resume` in another process (an upgrade). */
  save(carry: Carry): BoundListener[] {
    return this.#bound.map((listener) => carryListener(listener, carry));
  }

  /** Goes on with what another process has opened. Keeps the listeners. */
  resume(listeners: readonly BoundListener[]): void {
    const { sys, clock, lend, backend, bug } = this.#world;
    this.#bound = listeners;
    this.#servers = listeners.map((listener) =>
      serveControl({ sys, clock, lend, backend, bug, roleOf: () => "watch", limits }, listener),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#shut();
  }

  /** What is in the way may be our own, at an address that includes the other: then it has to go first. */
  async #bindBeside(endpoint: Endpoint): Promise<Result<BoundListener[], BindFailure>> {
    const bound = await this.#bind(endpoint);
    const isOurs = this.#bound.some(
      ({ address }) => "port" in endpoint && "port" in address && address.port === endpoint.port,
    );
    if (bound.ok || bound.error.code !== "EADDRINUSE" || !isOurs) return bound;
    void this.#shut();
    return this.#bind(endpoint);
  }

  #bind(endpoint: Endpoint): Promise<Result<BoundListener[], BindFailure>> {
    const { sys, inherited } = this.#world;
    return openListener(sys, { endpoint, options: { name: "http", backlog } }, { inherited });
  }

  /** Keeps the listeners. */
  #serve(listeners: readonly BoundListener[]): void {
    this.#reason = null;
    this.#failures = 0;
    this.resume(listeners);
    for (const { canonical: address } of listeners) this.#world.emit({ event: "http.listening", address });
  }

  /** The listeners are closed when this returns; resolves when the answers that are under way have been sent. */
  async #shut(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    this.#bound = [];
    await Promise.all(this.#servers.splice(0).map((server) => server.close()));
  }

  #retry(address: string, reason: string): void {
    const { clock, emit } = this.#world;
    this.#failures += 1;
    const waitMs = retryWaitMs(this.#failures);
    if (reason !== this.#reason) emit({ event: "http.failed", address, reason, retry_ms: waitMs });
    this.#reason = reason;
    this.#timer = clock.after(waitMs, () => {
      this.#timer = null;
      void this.open();
    });
  }
}
