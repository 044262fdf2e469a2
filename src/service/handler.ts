/**
 * One handler of a service from its start to its end: carries out what `worker.ts` decides (signals, timers) and
 * tells the service when the process has ended and when nothing of it is left.
 */
import { constants } from "node:os";
import type { ServiceConfig } from "../config/config.ts";
import type { Connection } from "../handoff/handoff.ts";
import { type SavedConnection, saveConnection } from "../handoff/saved.ts";
import type { Emit } from "../log/events.ts";
import type { Carry } from "../native/carry.ts";
import type { ChildExit } from "../native/sys.ts";
import type { Notification } from "../process/notify.ts";
import type { SavedProcess, Started } from "../process/processes.ts";
import type { Reach } from "../process/reach.ts";
import type { Readiness, SavedReadiness } from "../process/readiness.ts";
import type { Clock } from "../util/clock.ts";
import { signalName, signalNumber } from "../util/signals.ts";
import { unreachable } from "../util/unreachable.ts";
import { Alarm } from "./alarm.ts";
import { type HandlerEvent, type HandlerState, stepHandler } from "./worker.ts";

/** The parts of the world that a handler's life needs. */
export interface HandlerWorld {
  clock: Clock;
  emit: Emit;
}

type LifeKeys = Pick<
  ServiceConfig,
  "name" | "ready" | "startTimeout" | "stopSignal" | "stopTimeout" | "maxLifetime" | "watchdog"
>;

/** What a handler tells its service. */
export interface HandlerEvents {
  /** It can serve. Not told of one whose start is all that there is to wait for. */
  ready(handler: Handler): void;
  /** Called once: the process was reaped, and what `kill_mode` includes is gone with it. */
  gone(handler: Handler, exit: ChildExit): void;
  /** Its `max_lifetime` is over. */
  aged(handler: Handler): void;
}

/** A freeze is a matter of milliseconds. What takes longer has a process that the kernel cannot hold. */
const freezeTimeoutMs = 1_000;

const late = "it was not ready within start_timeout";

/** What a worker last said of itself (sd_notify(3)). */
interface Said {
  status: string | null;
  errno: number | null;
}

/** A handler at one moment. Moments are on the monotonic clock. */
export interface SavedHandler {
  connection: SavedConnection | null;
  process: SavedProcess;
  readiness: SavedReadiness;
  startedAt: number;
  state: HandlerState;
  wasReady: boolean;
  said: Said;
  /** Its own process has ended; what is left of its group or tree is still waited for. */
  exit: ChildExit | null;
  timerAt: number | null;
  lifetimeAt: number | null;
  watchdogAt: number | null;
}

export class Handler {
  readonly pid: number;
  readonly connection: Connection | null;
  readonly #world: HandlerWorld;
  readonly #owner: { readonly config: LifeKeys };
  readonly #events: HandlerEvents;
  readonly #reach: Reach;
  readonly #readiness: Readiness;
  readonly #started: Started;
  #startedAt: number;
  #state: HandlerState = { name: "starting" };
  /** Of the start, of a freeze, of the stop. */
  readonly #timer: Alarm;
  /** Most handlers need neither of these. */
  #lifetime: Alarm | null = null;
  #watchdog: Alarm | null = null;
  #wasReady = false;
  #exit: ChildExit | null = null;
  #onSettled: ((frozen: boolean) => void) | null = null;
  /** What it last said of itself, for people. */
  said: Said = { status: null, errno: null };

  constructor(
    world: HandlerWorld,
    owner: { readonly config: LifeKeys },
    started: Started,
    connection: Connection | null,
    readiness: Readiness,
    events: HandlerEvents,
  ) {
    this.pid = started.pid;
    this.connection = connection;
    this.#started = started;
    this.#startedAt = world.clock.now();
    this.#world = world;
    this.#owner = owner;
    this.#reach = started.reach;
    this.#readiness = readiness;
    this.#events = events;
    this.#timer = new Alarm(world.clock);
    const { maxLifetime } = owner.config;
    if (maxLifetime !== null) this.#ageAt(this.#startedAt + maxLifetime);
  }

  /** A reload may change some of them while it runs. */
  get #service(): LifeKeys {
    return this.#owner.config;
  }

  /** Looks for its readiness from now on; one that needs no looking is ready when this returns. */
  begin(): void {
    const { startTimeout, ready } = this.#service;
    if (ready !== "spawn" && startTimeout !== null) {
      this.#timer.set(startTimeout, () => this.stop(late));
    }
    this.#readiness.started(() => this.#becameReady());
  }

  /** Milliseconds on the monotonic clock. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** Whether it has been ready: one that ends before counts as a failed start. */
  get wasReady(): boolean {
    return this.#wasReady;
  }

  get isStopping(): boolean {
    return this.#state.name === "stopping";
  }

  /** It has got a connection. */
  worked(): void {
    this.#dispatch({ type: "work" });
  }

  /** Its last connection has ended. */
  rested(): void {
    this.#dispatch({ type: "rest", now: this.#world.clock.now() });
  }

  /**
   * Holds it where it is, with all that a stop would reach. It has been ready.
   * @param onSettled called at most once, perhaps before this returns: with `true` when nothing of it runs any more,
   * with `false` if that could not be had and it goes on. Not called if it is thawed or stopped before.
   */
  freeze(onSettled: (frozen: boolean) => void): void {
    if (this.isStopping) return;
    this.#onSettled = onSettled;
    this.#dispatch({ type: "freeze", now: this.#world.clock.now() });
  }

  /** It goes on, if it was frozen or about to be. */
  thaw(): void {
    this.#dispatch({ type: "thaw" });
  }

  /** It says in its own way that it is ready (a message on its channel). */
  saysReady(): void {
    this.#readiness.notified();
  }

  /** It has sent a notification (sd_notify(3)). */
  notified(notification: Notification): void {
    if (notification.status !== null || notification.errno !== null) {
      this.said = { status: notification.status, errno: notification.errno };
    }
    if (notification.extendTimeoutUsec !== null) this.#extend(notification.extendTimeoutUsec / 1000);
    if (notification.ready) this.#readiness.notified();
    if (notification.watchdog === "ping" && (this.#watchdog?.at ?? null) !== null) this.#watch();
    if (notification.watchdog === "trigger") this.#bark("it asked for it (WATCHDOG=trigger)");
  }

  /** It has written a line on its stderr. */
  wrote(line: string): void {
    this.#readiness.line(line);
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

  save(carry: Carry): SavedHandler {
    return {
      connection: this.connection === null ? null : saveConnection(this.connection),
      process: this.#started.save(carry),
      readiness: this.#readiness.save(carry),
      startedAt: this.#startedAt,
      state: this.#state,
      wasReady: this.#wasReady,
      said: this.said,
      exit: this.#exit,
      timerAt: this.#timer.at,
      lifetimeAt: this.#lifetime?.at ?? null,
      watchdogAt: this.#watchdog?.at ?? null,
    };
  }

  /** Goes on as another process has left it, instead of `begin`. Nothing happens before the next turn. */
  resume({ startedAt, state, wasReady, said, exit, timerAt, lifetimeAt, watchdogAt }: SavedHandler): void {
    this.#startedAt = startedAt;
    this.#state = state;
    this.#wasReady = wasReady;
    this.said = said;
    this.#lifetime?.cancel();
    if (lifetimeAt !== null) this.#ageAt(lifetimeAt);
    if (watchdogAt !== null) this.#hangAt(watchdogAt);
    if (state.name === "starting") this.#timer.setAt(timerAt, () => this.stop(late));
    if (state.name === "stopping") this.#timer.setAt(timerAt, () => this.#dispatch({ type: "timeout" }));
    // One that was about to be frozen goes on.
    if (state.name === "frozen" && !state.settled) this.#timer.set(0, () => this.#settled(false));
    this.#world.clock.after(0, () => {
      if (exit !== null) this.#awaitRest(exit);
      // It has ended since.
      else if (this.#exit !== null) return;
      else if (this.#state.name === "stopping" && this.#state.killed) this.#reach.kill();
      else if (!wasReady) this.#readiness.started(() => this.#becameReady());
    });
  }

  /** The process has ended and was reaped. */
  ended(exit: ChildExit): void {
    const { emit, clock } = this.#world;
    emit({
      event: "handler.exited",
      service: this.#service.name,
      pid: this.pid,
      code: exit.code,
      signal: exit.signal === null ? null : signalName(exit.signal),
      duration_ms: Math.round(clock.now() - this.startedAt),
      user_ms: exit.userMicroseconds / 1000,
      system_ms: exit.systemMicroseconds / 1000,
      max_rss_kb: peakOf(exit),
    });
    this.#awaitRest(exit);
  }

  /** What `kill_mode` includes goes with it. */
  #awaitRest(exit: ChildExit): void {
    this.#exit = exit;
    let gone = false;
    this.#reach.ended(this.#state.name === "stopping", () => {
      gone = true;
      this.#gone(exit);
    });
    // Being stopped already, this changes nothing.
    if (!gone) this.stop("it has ended, and what it has started is to go with it");
  }

  #becameReady(): void {
    this.#wasReady = true;
    if (this.#state.name === "starting") this.#timer.cancel();
    this.#dispatch({ type: "ready" });
    if (this.#service.watchdog !== null) this.#watch();
    if (this.#service.ready !== "spawn" && this.#state.name === "ready") {
      const duration_ms = Math.round(this.#world.clock.now() - this.startedAt);
      this.#world.emit({ event: "handler.ready", service: this.#service.name, pid: this.pid, duration_ms });
    }
    this.#events.ready(this);
  }

  /** The worker must say WATCHDOG=1 again within this time. */
  #watch(): void {
    const { watchdog } = this.#service;
    this.#watchdog?.cancel();
    if (watchdog === null || this.#state.name === "stopping" || this.#state.name === "frozen") return;
    this.#hangAt(this.#world.clock.now() + watchdog);
  }

  /** @param at on the monotonic clock, as below */
  #ageAt(at: number): void {
    this.#lifetime ??= new Alarm(this.#world.clock);
    this.#lifetime.setAt(at, () => this.#events.aged(this));
  }

  #hangAt(at: number): void {
    this.#watchdog ??= new Alarm(this.#world.clock);
    this.#watchdog.setAt(at, () => this.#bark("it has not said WATCHDOG=1 in time"));
  }

  /** A worker that hangs would not heed a polite signal either; SIGABRT leaves a core where cores are wanted. */
  #bark(reason: string): void {
    this.#dispatch({ type: "stop", reason, signal: "SIGABRT" });
  }

  /** EXTEND_TIMEOUT_USEC: whichever timeout runs now, start's or stop's, begins anew with this length. */
  #extend(delayMs: number): void {
    if (this.#state.name === "starting") {
      this.#timer.set(delayMs, () => this.stop("it was not ready within the time that it asked for"));
    } else if (this.#state.name === "stopping" && !this.#state.killed) {
      this.#timer.set(delayMs, () => this.#dispatch({ type: "timeout" }));
    }
  }

  #gone(exit: ChildExit): void {
    for (const alarm of [this.#timer, this.#lifetime, this.#watchdog]) alarm?.cancel();
    this.#readiness.close();
    this.#events.gone(this, exit);
  }

  #dispatch(event: HandlerEvent): void {
    const { state, effects } = stepHandler(this.#state, event);
    this.#state = state;
    for (const effect of effects) {
      switch (effect.do) {
        case "freeze":
          this.#freeze();
          break;
        case "announce frozen":
          this.#world.emit({ event: "handler.frozen", service: this.#service.name, pid: this.pid });
          break;
        case "thaw":
          this.#thaw(effect.since);
          break;
        case "signal":
          this.#signal(effect.reason, effect.signal ?? this.#service.stopSignal);
          break;
        case "kill":
          this.#reach.kill();
          break;
        default:
          unreachable(effect);
      }
    }
  }

  #freeze(): void {
    this.#watchdog?.cancel();
    this.#timer.set(freezeTimeoutMs, () => this.#settled(false));
    this.#reach.freeze((frozen) => this.#settled(frozen));
  }

  #settled(frozen: boolean): void {
    this.#timer.cancel();
    const onSettled = this.#onSettled;
    this.#onSettled = null;
    this.#dispatch({ type: "settled", frozen });
    onSettled?.(frozen);
  }

  #thaw(since: number | null): void {
    this.#timer.cancel();
    this.#onSettled = null;
    this.#reach.thaw();
    // The time in which it could not say WATCHDOG=1 does not count.
    if (this.#service.watchdog !== null) this.#watch();
    if (since === null) return;
    const duration_ms = Math.round(this.#world.clock.now() - since);
    this.#world.emit({ event: "handler.thawed", service: this.#service.name, pid: this.pid, duration_ms });
  }

  #signal(reason: string, signal: string): void {
    const { name, stopTimeout } = this.#service;
    this.#onSettled = null;
    this.#world.emit({ event: "handler.stopping", service: name, pid: this.pid, reason, signal });
    this.#reach.stop(signalNumber(signal) ?? constants.signals.SIGTERM);
    if (stopTimeout === null) this.#timer.cancel();
    else this.#timer.set(stopTimeout, () => this.#dispatch({ type: "timeout" }));
  }
}

/** Our own peak when it was last looked at; it only grows. Asking for it costs 4 us. */
let ownPeakKilobytes = 0;

/** A process starts out with the peak of the one that it was cloned from: up to ours it says nothing. */
function peakOf({ maxResidentKilobytes }: ChildExit): number | null {
  if (maxResidentKilobytes > ownPeakKilobytes) ownPeakKilobytes = process.resourceUsage().maxRSS;
  return maxResidentKilobytes > ownPeakKilobytes ? maxResidentKilobytes : null;
}
