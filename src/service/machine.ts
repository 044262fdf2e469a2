/** The machine of `state.ts` at work for one service: its present state, and the alarms that end it. */
import type { Emit } from "../log/events.ts";
import type { Clock } from "../util/clock.ts";
import { Alarm } from "./alarm.ts";
import { type ServiceEffect, type ServiceEvent, type ServiceState, step } from "./state.ts";
import type { Total } from "./world.ts";

export interface MachineHost {
  readonly name: string;
  /** How many handlers run. */
  handlers(): number;
  carryOut(effect: ServiceEffect): void;
  /** `until` has come. */
  due(): void;
  /** All that an event brings about has been done. */
  settled(): void;
  /** Whether being in this state is no news, after a moment in another one. */
  isOldNews(state: ServiceState): boolean;
}

export interface MachineWorld {
  clock: Clock;
  emit: Emit;
  total: Pick<Total, "wait">;
}

export class Machine {
  readonly #world: MachineWorld;
  readonly #host: MachineHost;
  #state: ServiceState = { name: "stopped" };
  /** Ends `limited`, `failed` and `paused` at their `until`. */
  readonly #alarm: Alarm;

  constructor(world: MachineWorld, host: MachineHost) {
    this.#world = world;
    this.#host = host;
    this.#alarm = new Alarm(world.clock);
  }

  get state(): ServiceState {
    return this.#state;
  }

  dispatch(event: ServiceEvent): void {
    const before = this.#state;
    const { state, effects } = step(before, event);
    this.#state = state;
    if (state !== before) {
      this.#wait();
      this.#announce(before, event);
    }
    for (const effect of effects) this.#host.carryOut(effect);
    this.#host.settled();
  }

  /** The state in which another process has left it; nothing is said of it. */
  restore(state: ServiceState): void {
    this.#state = state;
    this.#wait();
  }

  /** For the end of a state that ends by itself. */
  #wait(): void {
    const state = this.#state;
    this.#alarm.cancel();
    // A service that is unbound is tried again by its listeners, one by one, and by its preparation.
    if ("until" in state && !(state.name === "failed" && state.cause === "unbound"))
      this.#alarm.setAt(state.until, () => this.#host.due());
    if (state.name === "limited" && state.reason === "total") {
      this.#world.total.wait(() =>
        this.dispatch({ type: "room", reason: "total", handlers: this.#host.handlers() }),
      );
    }
  }

  /** What is only on its way (not bound yet), or goes on as before, is not news. */
  #announce(before: ServiceState, event: ServiceEvent): void {
    const state = this.#state;
    if (event.type === "start" || (state.name === before.name && state.name !== "failed")) return;
    if (this.#host.isOldNews(state)) return;
    const { clock, emit } = this.#world;
    const until = "until" in state ? state.until : null;
    emit({
      event: "service.state",
      service: this.#host.name,
      state: state.name,
      ...("reason" in state ? { reason: state.reason } : {}),
      ...(until === null ? {} : { until_ms: Math.max(0, Math.round(until - clock.now())) }),
    });
  }
}
