/**
 * One handler of a service from its start to its end: carries out what `worker.ts` decides (signals, timers) and
 * tells the service when the process has ended and when nothing of it is left.
 */
import { constants } from "node:os";
import type { ServiceConfig } from "../config/config.ts";
import type { Connection } from "../handoff/handoff.ts";
import type { Emit } from "../log/events.ts";
import type { ChildExit, Sys } from "../native/sys.ts";
import type { Child } from "../process/child.ts";
import { Survivors } from "../process/survivors.ts";
import type { Clock, Timer } from "../util/clock.ts";
import { signalName, signalNumber } from "../util/signals.ts";
import { unreachable } from "../util/unreachable.ts";
import { type HandlerEvent, type HandlerState, stepHandler } from "./worker.ts";

/** The parts of the world that a handler's life needs. */
export interface HandlerWorld {
  sys: Sys;
  clock: Clock;
  emit: Emit;
}

type LifeKeys = Pick<ServiceConfig, "name" | "stopSignal" | "stopTimeout" | "killMode" | "maxLifetime">;

export class Handler {
  readonly pid: number;
  /** Milliseconds on the monotonic clock. */
  readonly startedAt: number;
  readonly connection: Connection | null;
  readonly #world: HandlerWorld;
  readonly #service: LifeKeys;
  readonly #onGone: (handler: Handler, exit: ChildExit) => void;
  #child: Child | null;
  #state: HandlerState;
  #timer: Timer | null = null;
  #survivors: Survivors | null = null;

  /** @param onGone called once: the process was reaped, and what `kill_mode` includes is gone with it */
  constructor(
    world: HandlerWorld,
    service: LifeKeys,
    child: Child,
    connection: Connection | null,
    onGone: (handler: Handler, exit: ChildExit) => void,
  ) {
    this.pid = child.pid;
    this.connection = connection;
    this.startedAt = world.clock.now();
    this.#world = world;
    this.#service = service;
    this.#child = child;
    this.#onGone = onGone;
    // `ready = "spawn"`: a process that was started is ready.
    this.#state = { name: "ready" };
    if (service.maxLifetime !== null) {
      this.#arm(service.maxLifetime, () => this.stop("max_lifetime"));
    }
  }

  get state(): HandlerState {
    return this.#state;
  }

  stop(reason: string): void {
    this.#dispatch({ type: "stop", reason });
  }

  /** SIGKILL now, whatever was tried before: the end of a shutdown that took too long. */
  kill(): void {
    this.stop("killed");
    this.#dispatch({ type: "timeout" });
  }

  /** The process has ended and was reaped. */
  ended(exit: ChildExit): void {
    this.#child = null;
    const { emit, clock, sys } = this.#world;
    emit({
      event: "handler.exited",
      service: this.#service.name,
      pid: this.pid,
      code: exit.code,
      signal: exit.signal === null ? null : signalName(exit.signal),
      duration_ms: Math.round(clock.now() - this.startedAt),
      user_ms: exit.userMicroseconds / 1000,
      system_ms: exit.systemMicroseconds / 1000,
      // A process starts out with the peak of the one that it was cloned from: below ours it says nothing.
      max_rss_kb:
        exit.maxResidentKilobytes > process.resourceUsage().maxRSS ? exit.maxResidentKilobytes : null,
    });
    // A handler that ends by itself takes nobody with it; one that we end takes its group.
    if (this.#state.name === "stopping" && this.#service.killMode !== "process") {
      const survivors = new Survivors(sys, this.pid, () => this.#gone(exit));
      if (this.#state.killed) survivors.kill();
      if (survivors.look()) {
        this.#survivors = survivors;
        return;
      }
    }
    this.#gone(exit);
  }

  #gone(exit: ChildExit): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#survivors = null;
    this.#onGone(this, exit);
  }

  #dispatch(event: HandlerEvent): void {
    const { state, effects } = stepHandler(this.#state, event);
    this.#state = state;
    for (const effect of effects) {
      switch (effect.do) {
        case "signal":
          this.#signal(effect.reason);
          break;
        case "kill":
          this.#child?.signal(constants.signals.SIGKILL, this.#whom());
          this.#survivors?.kill();
          break;
        default:
          unreachable(effect);
      }
    }
  }

  #signal(reason: string): void {
    const { name, stopSignal, stopTimeout } = this.#service;
    this.#world.emit({ event: "handler.stopping", service: name, pid: this.pid, reason, signal: stopSignal });
    this.#child?.signal(signalNumber(stopSignal) ?? constants.signals.SIGTERM, this.#whom());
    // A stopped process would not even see the signal (job control, a debugger).
    this.#child?.signal(constants.signals.SIGCONT, this.#whom());
    if (stopTimeout === null) this.#timer?.cancel();
    else this.#arm(stopTimeout, () => this.#dispatch({ type: "timeout" }));
  }

  #whom(): "process" | "group" {
    return this.#service.killMode === "process" ? "process" : "group";
  }

  /** One timer at a time: the life's, then the stop's. */
  #arm(delayMs: number, callback: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#world.clock.after(delayMs, callback);
  }
}
