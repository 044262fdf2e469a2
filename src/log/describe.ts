/** Level and sentence of every event: the only place that makes prose of one. */

import { unreachable } from "../util/unreachable.ts";
import type { DaemonEvent } from "./events.ts";

export type Level = "debug" | "info" | "warn" | "error";

/** How loud an event is. Coming and going between `listening` and `active` is what a super-server does all day. */
export function levelOf(event: DaemonEvent): Level {
  switch (event.event) {
    case "service.failed":
    case "http.failed":
      return "error";
    case "daemon.upgrade":
      return event.error === undefined ? "info" : "error";
    case "daemon.reload":
      return event.error === undefined ? "info" : "error";
    case "service.listening":
      return event.warning === undefined ? "info" : "warn";
    case "connection.refused":
      return event.reason === "error" ? "error" : "warn";
    case "service.state":
      switch (event.state) {
        case "listening":
        case "active":
          return "debug";
        case "limited":
        case "failed":
          return "warn";
        default:
          return "info";
      }
    case "handler.stderr":
      return event.dropped === undefined ? "info" : "warn";
    default:
      return "info";
  }
}

export function describe(event: DaemonEvent): string {
  switch (event.event) {
    case "daemon.ready":
      return `ready: ${plural(event.services, "service")}, ${plural(event.listeners, "listener")}${event.failed > 0 ? `, ${event.failed} failed` : ""}${event.unknown === undefined ? "" : `; closed what nobody declares: ${event.unknown.join(", ")}`}`;
    case "daemon.reload":
      return describeReload(event);
    case "daemon.upgrade":
      return event.error === undefined
        ? `upgraded from ${event.previous} to ${event.version}, clients waited for ${seconds(event.duration_ms ?? 0)}`
        : `not upgraded: ${event.error}`;
    case "daemon.shutdown":
      return `shutting down: ${event.reason}`;
    case "http.listening":
      return `HTTP on ${event.address}`;
    case "http.failed":
      return `cannot serve HTTP on ${event.address}: ${event.reason}, retrying in ${seconds(event.retry_ms)}`;
    case "service.listening":
      return `"${event.service}" listens on ${event.address}${event.warning === undefined ? "" : `; ${event.warning}`}`;
    case "service.failed":
      return `"${event.service}" cannot ${event.address === undefined ? "run" : `listen on ${event.address}`}: ${event.reason}${event.retry_ms === null ? "" : `, retrying in ${seconds(event.retry_ms)}`}`;
    case "service.recovered":
      return `"${event.service}" recovered${event.address === undefined ? "" : ` on ${event.address}`}`;
    case "service.state":
      return `"${event.service}" is ${event.state}${event.reason === undefined ? "" : `: ${event.reason}`}${event.until_ms === undefined ? "" : `, for ${seconds(event.until_ms)}`}`;
    case "connection.accepted":
      return `"${event.service}" accepted ${event.connection} from ${event.remote}`;
    case "connection.refused":
      return `"${event.service}" refused ${event.remote}: ${event.error ?? event.reason}`;
    case "connection.closed":
      return `"${event.service}" closed ${event.connection} from ${event.remote} after ${seconds(event.duration_ms)}`;
    case "handler.started":
      return `"${event.service}" started handler ${event.pid}`;
    case "handler.ready":
      return `handler ${event.pid} of "${event.service}" is ready after ${seconds(event.duration_ms)}`;
    case "handler.exited":
      return `handler ${event.pid} of "${event.service}" ${ending(event)} after ${seconds(event.duration_ms)}`;
    case "handler.stopping":
      return `stopping handler ${event.pid} of "${event.service}" with ${event.signal}: ${event.reason}`;
    case "handler.frozen":
      return `handler ${event.pid} of "${event.service}" is frozen`;
    case "handler.thawed":
      return `handler ${event.pid} of "${event.service}" goes on after ${seconds(event.duration_ms)} frozen`;
    case "handler.stderr":
      return event.dropped === undefined
        ? `${event.service}[${event.pid}]: ${event.text}`
        : `${event.service}[${event.pid}]: ${event.dropped} lines of stderr dropped`;
    default:
      return unreachable(event);
  }
}

function describeReload({
  added,
  removed,
  changed,
  unchanged,
  daemon,
  error,
}: Extract<DaemonEvent, { event: "daemon.reload" }>): string {
  if (error !== undefined) return `not reloaded: ${error}`;
  const parts = [
    ...(added.length > 0 ? [`added ${added.join(", ")}`] : []),
    ...(removed.length > 0 ? [`removed ${removed.join(", ")}`] : []),
    ...(changed.length > 0 ? [`changed ${changed.join(", ")}`] : []),
    ...(daemon === undefined ? [] : [`changed [daemon] ${daemon.join(", ")}`]),
    `${plural(unchanged, "service")} untouched`,
  ];
  return `reloaded: ${parts.join("; ")}`;
}

function ending(event: { code: number | null; signal: string | null }): string {
  return event.signal === null ? `exited with ${event.code}` : `was ended by ${event.signal}`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** `0.2s`, `12s`, `3m20s`: as exact as a reader needs. */
export function seconds(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(ms < 1000 ? 3 : 1)}s`;
  const whole = Math.round(ms / 1000);
  return whole < 120 ? `${whole}s` : `${Math.floor(whole / 60)}m${whole % 60}s`;
}
