/** What a service is given of the world around it: everything that tests replace and that services share. */
import type { Emit } from "../log/events.ts";
import type { Fd, Sys } from "../native/sys.ts";
import type { InheritedSocket } from "../net/adopt.ts";
import type { Ends } from "../net/ends.ts";
import type { Farewells } from "../net/farewell.ts";
import type { Host } from "../process/machine.ts";
import type { Limits } from "../process/plan.ts";
import type { Processes } from "../process/processes.ts";
import type { Clock } from "../util/clock.ts";
import type { Notifications } from "./notifications.ts";

export interface World {
  sys: Sys;
  clock: Clock;
  emit: Emit;
  host: Host;
  limits: Limits;
  /** /dev/null, for reading and writing. */
  nothing: Fd;
  /** A NETLINK_SOCK_DIAG socket: asks the kernel about the connections that handlers have accepted. */
  diag: Fd;
  notifications: Notifications;
  ends: Ends;
  total: Total;
  processes: Processes;
  /** Sockets the daemon was started with; a listener that wants one takes it out of the list. */
  inherited: InheritedSocket[];
  farewells: Farewells;
  /** Runs `action` once more with reserved descriptors free, after it failed for want of one. */
  lend<T>(action: () => T): T;
  /** Whether all reserved descriptors are there, so that whoever is accepted will also get its handler. */
  spare(): boolean;
  /** A number that no connection had before. */
  nextConnection(): number;
}

/** The connections of all services together, against `daemon.max_connections`. */
export class Total {
  #max: number;
  #count = 0;
  readonly #waiting = new Set<() => void>();

  constructor(max: number) {
    this.#max = max;
  }

  get max(): number {
    return this.#max;
  }

  /** Whoever waits for room is told, there may be some now. */
  set max(max: number) {
    this.#max = max;
    this.#tell();
  }

  get count(): number {
    return this.#count;
  }

  add(): void {
    this.#count += 1;
  }

  /** One has ended: everybody who waits for room is told. */
  remove(): void {
    this.#count -= 1;
    this.#tell();
  }

  #tell(): void {
    if (this.#waiting.size === 0) return;
    const told = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of told) callback();
  }

  /** Calls back once, when there may be room. */
  wait(callback: () => void): void {
    this.#waiting.add(callback);
  }
}
