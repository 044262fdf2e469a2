/** What a service tells of itself: plain data for `status`, `--json` and the control API. */
import type { HandlerStateName, ServiceStateName } from "../log/states.ts";
import type { Clock } from "../util/clock.ts";
import type { Counters } from "./counters.ts";
import type { Handler } from "./handler.ts";
import type { Service } from "./service.ts";

/** `YYYY-MM-DDTHH:MM:SS.mmmZ` of a moment on the monotonic clock. */
function wallTime(clock: Clock, at: number): string {
  return new Date(clock.wall().getTime() - (clock.now() - at)).toISOString();
}

export function describeService(service: Service, clock: Clock) {
  const handlers = [...service.handlers.values()];
  const { accepted, refused, spawned, startFailures, lastExit } = service.counters;
  return {
    name: service.config.name,
    state: service.state.name satisfies ServiceStateName,
    handoff: service.config.handoff,
    listeners: service.listeners.bound.map(({ canonical, name }) => ({ address: canonical, name })),
    handlers: handlers.map((handler) => describeHandler(handler, service.connectionsOf(handler), clock)),
    connections: service.openConnections(),
    accepted: service.accepts ? accepted : null,
    refused,
    spawned,
    start_failures: startFailures,
    last_exit: describeExit(lastExit),
    failure: describeFailure(service, clock),
  };
}

function describeHandler(handler: Handler, connections: number | null, clock: Clock) {
  const { state } = handler;
  return {
    pid: handler.pid,
    state: state.name satisfies HandlerStateName,
    connections,
    started_at: wallTime(clock, handler.startedAt),
    idle_for_ms: "since" in state ? Math.round(clock.now() - state.since) : null,
  };
}

function describeExit(exit: Counters["lastExit"]) {
  return exit === null ? null : { ...exit, at: exit.at.toISOString() };
}

/** What is wrong, if anything: a missing listener even while the others serve, and when it is tried again. */
function describeFailure(service: Service, clock: Clock): string | null {
  const inSeconds = (at: number) => `retrying in ${Math.max(0, Math.ceil((at - clock.now()) / 1000))}s`;
  const { missing } = service.listeners;
  if (missing.length > 0) {
    return missing
      .map(({ address, reason, retryAt }) => `${address}: ${reason}, ${inSeconds(retryAt)}`)
      .join("; ");
  }
  const { state } = service;
  if (state.name !== "failed" && state.name !== "limited") return null;
  return state.until === null ? state.reason : `${state.reason}, ${inSeconds(state.until)}`;
}
