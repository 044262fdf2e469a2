/**
 * A handler as a machine, whatever its handoff: from its start to its end. Pure; `service.ts` carries out the effects.
 *
 *   starting ──ready──▶ ready ◀──work / rest──▶ idle
 *      │                  │                      │          (frozen joins with `on_idle = "freeze"`)
 *      └──────────────────┴──── stop ────────────┴──▶ stopping ──timeout──▶ stopping, killed ──ended──▶ (gone)
 *
 * An end may come in every state. What is left of the handler's group or tree after its own end keeps it `stopping`
 * until that is gone too, so that nothing survives the stop that `kill_mode` includes.
 */
import type { HandlerStateName } from "../log/states.ts";

export type HandlerState =
  | { name: "starting" }
  | { name: "ready" }
  | { name: "idle"; since: number }
  | { name: "frozen"; since: number }
  /** `killed`: SIGKILL was sent. */
  | { name: "stopping"; reason: string; killed: boolean };

export type HandlerEvent =
  | { type: "ready" }
  /** It got a connection. */
  | { type: "work" }
  /** Its last connection has ended. */
  | { type: "rest"; now: number }
  /** `signal`: another one than `stop_signal`. */
  | { type: "stop"; reason: string; signal?: string }
  /** `stop_timeout` has passed. */
  | { type: "timeout" };

export type HandlerEffect =
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
const rest = ({ now }: EventOf<"rest">): HandlerStep => to({ name: "idle", since: now });
const work = (): HandlerStep => to({ name: "ready" });

const table: Table = {
  starting: { ready: () => to({ name: "ready" }), work: ignored, rest: ignored, stop, timeout: ignored },
  ready: { ready: ignored, work: ignored, rest, stop, timeout: ignored },
  idle: { ready: ignored, work, rest: ignored, stop, timeout: ignored },
  frozen: { ready: ignored, work, rest: ignored, stop, timeout: ignored },
  stopping: {
    // It may still say so while the signal is on its way.
    ready: ignored,
    work: ignored,
    rest: ignored,
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
