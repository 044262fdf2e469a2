/**
 * The service as a machine: which of six states it is in, what moves it, and what is to be done then. Pure: no clock,
 * no socket; `service.ts` feeds it events and carries out the effects.
 *
 *              start            bound                handlers 1+
 *   stopped ─────────▶ failed ─────────▶ listening ◀────────────▶ active
 *      ▲      (not bound yet)  ◀─────────    │  ▲   handlers 0     │
 *      │ stop                    lost        │  └──── room ────────┤
 *      └─ from everywhere                    └──▶ limited, paused, failed (trying again at `until`)
 *
 * `wanted` (what the operator asked for) is not in here: `stopped` is the only state that `start` leaves and that
 * `stop` leads to. How many handlers run is the caller's to know; events that need the number carry it.
 *
 * `limited` and `failed` always end by themselves: by `room`, by `bound`, or by `due` at `until`.
 */
import type { ServiceStateName } from "../log/states.ts";

/** What keeps a limited service from accepting; the words of refusals, and `descriptors` for EMFILE and ENFILE. */
export type LimitReason = "limit" | "total" | "rate" | "load" | "descriptors";

export type ServiceState =
  | { name: "stopped" }
  /** Bound and watched, nothing runs. */
  | { name: "listening" }
  /** Bound and watched, at least one handler runs. */
  | { name: "active" }
  /** The operator's pause: sockets and their queues stay, nothing is accepted. `until`: resumes by itself. */
  | { name: "paused"; until: number | null }
  /** At a limit. `until` is set where the end is a matter of time; else `room` ends it. */
  | { name: "limited"; reason: LimitReason; until: number | null }
  /**
   * `unbound`: no listener is bound, or what the handler needs (executable, user, ...) is not on this machine; both are
   * tried again on their own at `until`. `starts`: starts fail, none is tried before `until`.
   */
  | { name: "failed"; cause: "unbound"; reason: string; until: number | null }
  | { name: "failed"; cause: "starts"; reason: string; until: number };

export type ServiceEvent =
  | { type: "start" }
  | { type: "stop" }
  /** Nobody new is let in; who is in may finish. Only where tinetd accepts, and so can. */
  | { type: "drain" }
  /** The first listener was bound, or the last reason not to listen has gone. */
  | { type: "bound"; handlers: number }
  /** No listener is bound any more, or none could be; the next try is at `until`. */
  | { type: "lost"; reason: string; until: number | null }
  /** The number of handlers changed to or from zero. */
  | { type: "handlers"; handlers: number }
  | { type: "full"; reason: LimitReason; until: number | null }
  /** The limit of this reason is over. */
  | { type: "room"; reason: LimitReason; handlers: number }
  /** Starts fail: none is tried before `until`. */
  | { type: "back-off"; reason: string; until: number }
  /** `until` has come. */
  | { type: "due"; handlers: number }
  | { type: "pause"; until: number | null }
  | { type: "resume"; handlers: number };

export type ServiceEffect =
  /** Look up what the handler needs, bind what is not bound, and keep trying. */
  | { do: "open" }
  /** Close all listeners and stop trying. */
  | { do: "close" }
  /** Give back what handlers needed; what they have left behind ends. */
  | { do: "release" }
  /** Stop what runs. */
  | { do: "stop handlers" }
  /** Stop what accepts by itself: nothing else could keep it from doing so. */
  | { do: "stop acceptors" };

export interface Step {
  state: ServiceState;
  effects: readonly ServiceEffect[];
}

/** The event has no meaning in this state, and may come all the same: a timer or an exit that was under way. */
const ignored = "ignored";
/** The event cannot come in this state; that it did is a bug in `service.ts`. */
const impossible = "impossible";

type EventOf<T extends ServiceEvent["type"]> = Extract<ServiceEvent, { type: T }>;
type StateOf<N extends ServiceStateName> = Extract<ServiceState, { name: N }>;
type Cell<N extends ServiceStateName, T extends ServiceEvent["type"]> =
  | typeof ignored
  | typeof impossible
  | ((event: EventOf<T>, state: StateOf<N>) => Step);
type Table = { [N in ServiceStateName]: { [T in ServiceEvent["type"]]: Cell<N, T> } };

const stop = (): Step => ({
  state: { name: "stopped" },
  effects: [{ do: "close" }, { do: "release" }, { do: "stop handlers" }],
});
const drain = (): Step => ({ state: { name: "stopped" }, effects: [{ do: "close" }] });
const serve = ({ handlers }: { handlers: number }): Step =>
  to({ name: handlers === 0 ? "listening" : "active" });
const lose = ({ reason, until }: EventOf<"lost">): Step =>
  to({ name: "failed", cause: "unbound", reason, until });
const limit = ({ reason, until }: EventOf<"full">): Step => to({ name: "limited", reason, until });
const backOff = ({ reason, until }: EventOf<"back-off">): Step =>
  to({ name: "failed", cause: "starts", reason, until });
const pause = ({ until }: EventOf<"pause">): Step => ({
  state: { name: "paused", until },
  effects: [{ do: "stop acceptors" }],
});

const serving = {
  start: ignored,
  stop,
  drain,
  bound: ignored,
  lost: lose,
  handlers: serve,
  full: limit,
  room: ignored,
  "back-off": backOff,
  due: ignored,
  pause,
  resume: ignored,
} as const;

const table: Table = {
  stopped: {
    start: () => ({
      state: { name: "failed", cause: "unbound", reason: "not bound yet", until: null },
      effects: [{ do: "open" }],
    }),
    stop: ignored,
    drain: ignored,
    // A bind that was under way when the service was stopped is closed by its own code.
    bound: ignored,
    lost: ignored,
    handlers: ignored,
    full: ignored,
    room: ignored,
    "back-off": ignored,
    due: ignored,
    pause: ignored,
    resume: ignored,
  },
  listening: serving,
  active: serving,
  paused: {
    ...serving,
    // Open connections go on and end; nothing new is accepted, whatever else happens.
    handlers: ignored,
    full: ignored,
    "back-off": ignored,
    due: serve,
    pause,
    resume: serve,
  },
  limited: {
    ...serving,
    handlers: ignored,
    full: limit,
    room: (event, state) => (event.reason === state.reason ? serve(event) : to(state)),
    due: (event, state) => (state.until === null ? to(state) : serve(event)),
  },
  failed: {
    start: ignored,
    stop,
    drain,
    bound: (event, state) => (state.cause === "starts" ? to(state) : serve(event)),
    lost: lose,
    handlers: ignored,
    // Handlers that still run may end and make room; accepting goes on only when the failure has.
    full: ignored,
    room: ignored,
    "back-off": (event, state) => (state.cause === "starts" ? backOff(event) : to(state)),
    due: (event, state) => (state.cause === "starts" ? serve(event) : to(state)),
    pause: (event, state) => (state.cause === "starts" ? pause(event) : to(state)),
    resume: ignored,
  },
};

/** What `event` makes of `state`. An event that can be ignored gives the same state object and no effects. */
export function step(state: ServiceState, event: ServiceEvent): Step {
  // The table is typed per cell; looking a cell up by two unions loses that, hence this one cast.
  const cell = table[state.name][event.type] as Cell<ServiceStateName, ServiceEvent["type"]>;
  if (cell === ignored) return to(state);
  if (cell === impossible) throw new Error(`${event.type} cannot happen in state ${state.name}`);
  return cell(event as never, state as never);
}

/** Whether listeners are watched in this state. With `on_limit = "refuse"` a failing service accepts, to refuse. */
export function isWatching(state: ServiceState, onLimit: "queue" | "refuse"): boolean {
  switch (state.name) {
    case "listening":
    case "active":
      return true;
    case "failed":
      return state.cause !== "unbound" && onLimit === "refuse";
    default:
      return false;
  }
}

function to(state: ServiceState): Step {
  return { state, effects: [] };
}
