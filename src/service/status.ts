/** What a service tells of itself: plain data for `status`, `ps`, `why`, `--json` and the control API. */
import type { HandlerStateName, ServiceStateName } from "../log/states.ts";
import { formatSocketAddress } from "../net/address.ts";
import type { TcpSample } from "../net/sample.ts";
import type { Usage } from "../process/usage.ts";
import type { Clock } from "../util/clock.ts";
import type { Counters } from "./counters.ts";
import type { Handler } from "./handler.ts";
import type { Service } from "./service.ts";

interface DescribedConnection {
  id: number | null;
  service: string;
  pid: number | null;
  remote: string;
  local: string;
  started_at: string | null;
  idle_for_ms: number | null;
  bytes_in: number | null;
  bytes_out: number | null;
}

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

/** Its handlers one by one. @param usage by pid, where it was measured */
export function describeHandlers(service: Service, usage: ReadonlyMap<number, Usage>, clock: Clock) {
  const samples = samplesByEnds(service);
  return [...service.handlers.values()].map((handler) => {
    const used = usage.get(handler.pid);
    const { connection } = handler;
    const sample = connection === null ? undefined : samples.get(ends(connection));
    const status = describeHandler(handler, service.connectionsOf(handler), clock);
    return {
      ...status,
      idle_for_ms: sample?.idleMs ?? status.idle_for_ms,
      service: service.config.name,
      peer: connection?.remote ?? null,
      ...bytesOf(sample),
      cpu_ms: used?.cpuMs ?? null,
      memory_bytes: used?.memoryBytes ?? null,
      status: handler.said.status,
    };
  });
}

/** Its open connections: those that tinetd has let in, and for TCP those that handlers have accepted by themselves. */
export function describeConnections(service: Service, clock: Clock): DescribedConnection[] {
  const samples = samplesByEnds(service);
  const common = { service: service.config.name };
  const known = [...service.knownConnections()].map(([connection, handler]) => {
    const { id, remote, local, acceptedAt } = connection;
    const sample = samples.get(ends(connection));
    return {
      id,
      ...common,
      pid: handler?.pid ?? null,
      remote,
      local,
      started_at: wallTime(clock, acceptedAt),
      idle_for_ms: sample?.idleMs ?? null,
      ...bytesOf(sample),
    };
  });
  if (service.accepts) return known;
  return [...samples.values()].map((sample) => ({
    id: null,
    ...common,
    pid: null,
    remote: formatSocketAddress("tcp", sample.remote),
    local: formatSocketAddress("tcp", sample.local),
    started_at: null,
    idle_for_ms: sample.idleMs,
    ...bytesOf(sample),
  }));
}

/** Who woke it, and what keeps it from serving. */
export function describeWhy(service: Service, clock: Clock) {
  const { state, counters } = service;
  const until = "until" in state ? state.until : null;
  const { lastWake, coldStartMs } = counters;
  return {
    service: service.config.name,
    state: state.name satisfies ServiceStateName,
    reason: "reason" in state ? state.reason : describeFailure(service, clock),
    until: until === null ? null : wallTime(clock, until),
    woken: lastWake === null ? null : { ...lastWake, at: lastWake.at.toISOString() },
    cold_start_ms: coldStartMs,
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

/** The kernel knows a connection by its two ends. */
function samplesByEnds(service: Service): Map<string, TcpSample> {
  return new Map(
    service.tcpSamples().map((sample) => [
      ends({
        remote: formatSocketAddress("tcp", sample.remote),
        local: formatSocketAddress("tcp", sample.local),
      }),
      sample,
    ]),
  );
}

function ends({ remote, local }: { remote: string; local: string }): string {
  return `${remote} ${local}`;
}

function bytesOf(sample: TcpSample | undefined): { bytes_in: number | null; bytes_out: number | null } {
  return { bytes_in: sample?.bytesReceived ?? null, bytes_out: sample?.bytesSent ?? null };
}
