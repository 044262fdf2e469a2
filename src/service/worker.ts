/**
 * A handler as a machine, whatever its handoff: from its start to its end. Pure; `service.ts` carries out the effects.
 *
 *                                             ┌──── freeze ───┐
 *   starting ──ready──▶ ready ◀──work / rest──▶ idle          ▼
 *      │                  │  ◀──── work, thaw ───┼────────── frozen
 *      └──────────────────┴──── stop ────────────┴──────────────┴──▶ stopping ──timeout──▶ killed ──ended──▶ (gone)
 *
 * A worker that accepts by itself is never seen at work or rest: it is frozen from `ready`. It is `frozen` from the
 * moment that this is asked of the kernel; that nothing of it runs any more is `settled`, a moment later, or cannot be
 * had, which thaws it.
 *
 * An end may come in every state. What is left of the handler's group or tree after its own end keeps it `stopping`
 * until that is gone too, so that nothing survives the stop that `kill_mode` includes.
 */
import type { HandlerStateName } from "../log/states.ts";

export type HandlerState =
  | { name: "starting" }
  | { name: "ready" }
  | { name: "idle"; since: number }
  /** `settled`: nothing of it runs any more. */
  | { name: "frozen"; since: number; settled: boolean }
  /** `killed`: SIGKILL was sent. */
  | { name: "stopping"; reason: string; killed: boolean };

export type HandlerEvent =
  | { type: "ready" }
  /** It got a connection. */
  | { type: "work" }
  /** Its last connection has ended. */
  | { type: "rest"; now: number }
  /** It is idle, and is to be held where it is. */
  | { type: "freeze"; now: number }
  /** The freeze has come to its end; or cannot. */
  | { type: "settled"; frozen: boolean }
  /** It goes on. */
  | { type: "thaw" }
  /** `signal`: another one than `stop_signal`. */
  | { type: "stop"; reason: string; signal?: string }
  /** `stop_timeout` has passed. */
  | { type: "timeout" };

export type HandlerEffect =
  | { do: "freeze" }
  /** It is frozen now: worth a line. */
  | { do: "announce frozen" }
  /** `since`: when it was frozen; `null` if it never quite was. */
  | { do: "thaw"; since: number | null }
  /** `stop_signal` to what `kill_mode` names, and the clock of `stop_timeout` starts. */
  | { do: "signal"; reason: string; signal?: string }
  /** SIGKILL to all of that which is left. */
  | { do: "kill" };

export interface HandlerStep {
  state: HandlerState;
  effects: readonly HandlerEffect[];
}

const ignored = "ignored";
const impossible = "impossible";

type EventOf<T extends HandlerEvent["type"]> = Extract<HandlerEvent, { type: T }>;
type StateOf<N extends HandlerStateName> = Extract<HandlerState, { name: N }>;
type Cell<N extends HandlerStateName, T extends HandlerEvent["type"]> =
  | typeof ignored
  | typeof impossible
  | ((event: EventOf<T>, state: StateOf<N>) => HandlerStep);
type Table = { [N in HandlerStateName]: { [T in HandlerEvent["type"]]: Cell<N, T> } };

const stop = ({ reason, signal }: EventOf<"stop">): HandlerStep => ({
  state: { name: "stopping", reason, killed: false },
  effects: [{ do: "signal", reason, ...(signal === undefined ? {} : { signal }) }],
});
const freeze = ({ now }: EventOf<"freeze">): HandlerStep => ({
  state: { name: "frozen", since: now, settled: false },
  effects: [{ do: "freeze" }],
});
const thaw = (_event: HandlerEvent, { since, settled }: StateOf<"frozen">): HandlerStep => ({
  state: { name: "ready" },
  effects: [{ do: "thaw", since: settled ? since : null }],
});
const settled = (event: EventOf<"settled">, state: StateOf<"frozen">): HandlerStep => {
  if (!event.frozen) return thaw(event, state);
  return { state: { ...state, settled: true }, effects: [{ do: "announce frozen" }] };
};
const rest = ({ now }: EventOf<"rest">): HandlerStep => to({ name: "idle", since: now });
const work = (): HandlerStep => to({ name: "ready" });

/** What comes of a freeze that is over: the worker was thawed or told to stop before. */
const unfrozen = { settled: ignored, thaw: ignored } as const;

const table: Table = {
  starting: {
    ready: () => to({ name: "ready" }),
    work: ignored,
    rest: ignored,
    // Who asks for it has seen it ready.
    freeze: impossible,
    ...unfrozen,
    stop,
    timeout: ignored,
  },
  ready: { ready: ignored, work: ignored, rest, freeze, ...unfrozen, stop, timeout: ignored },
  idle: { ready: ignored, work, rest: ignored, freeze, ...unfrozen, stop, timeout: ignored },
  frozen: {
    ready: ignored,
    work: thaw,
    rest: ignored,
    freeze: ignored,
    settled,
    thaw,
    stop,
    timeout: ignored,
  },
  stopping: {
    // It may still say so while the signal is on its way.
    ready: ignored,
    work: ignored,
    rest: ignored,
    freeze: ignored,
    ...unfrozen,
    stop: ignored,
    timeout: (_event, state) => ({ state: { ...state, killed: true }, effects: [{ do: "kill" }] }),
  },
};

/** What `event` makes of `state`. An event that can be ignored gives the same state object and no effects. */
export function stepHandler(state: HandlerState, event: HandlerEvent): HandlerStep {
  const cell = table[state.name][event.type] as Cell<HandlerStateName, HandlerEvent["type"]>;
  if (cell === ignored) return to(state);
  if (cell === impossible) throw new Error(`${event.type} cannot happen in state ${state.name}`);
  return cell(event as never, state as never);
}

function to(state: HandlerState): HandlerStep {
  return { state, effects: [] };
}
