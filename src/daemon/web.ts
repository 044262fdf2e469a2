/**
 * The TCP listener of `[daemon] http`. An address that is taken keeps neither the daemon nor its services from working:
 * it is tried again, as those of services are.
 */
import type { CallerLimits, CallerWorld } from "../control/callers.ts";
import type { Backend } from "../control/routes.ts";
import { type ControlServer, serveControl } from "../control/server.ts";
import type { Emit } from "../log/events.ts";
import type { Endpoint } from "../net/address.ts";
import type { InheritedSocket } from "../net/adopt.ts";
import { openListener } from "../net/listen.ts";
import { retryWaitMs } from "../service/limits.ts";
import type { Timer } from "../util/clock.ts";

export interface WebWorld extends Pick<CallerWorld, "sys" | "clock" | "lend"> {
  emit: Emit;
  backend: Backend;
  inherited: InheritedSocket[];
}

/** Anybody may come: fewer at once than at the control socket, and nobody stays. */
const limits: CallerLimits = { count: 16, requestMs: 5_000, answerMs: 10_000 };
const backlog = 128;

export class Web {
  readonly #world: WebWorld;
  readonly #endpoint: Endpoint;
  #servers: ControlServer[] = [];
  #failures = 0;
  #reason: string | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(world: WebWorld, endpoint: Endpoint) {
    this.#world = world;
    this.#endpoint = endpoint;
  }

  get isOpen(): boolean {
    return this.#servers.length > 0;
  }

  /** Resolves when it has been tried once. */
  async open(): Promise<void> {
    const { sys, clock, lend, backend, inherited, emit } = this.#world;
    const options = { name: "http", backlog };
    const bound = await openListener(sys, { endpoint: this.#endpoint, options }, { inherited });
    if (!bound.ok) {
      if (!this.#closed) this.#retry(bound.error.address, bound.error.reason);
      return;
    }
    this.#reason = null;
    this.#servers = bound.value.map((listener) =>
      serveControl({ sys, clock, lend, backend, roleOf: () => "watch", limits }, listener),
    );
    // The end may have come while a name was looked up.
    if (this.#closed) await this.close();
    else for (const { canonical: address } of bound.value) emit({ event: "http.listening", address });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await Promise.all(this.#servers.splice(0).map((server) => server.close()));
  }

  #retry(address: string, reason: string): void {
    const { clock, emit } = this.#world;
    this.#failures += 1;
    const waitMs = retryWaitMs(this.#failures);
    if (reason !== this.#reason) emit({ event: "http.failed", address, reason, retry_ms: waitMs });
    this.#reason = reason;
    this.#timer = clock.after(waitMs, () => void this.open());
  }
}
