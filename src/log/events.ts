/**
 * Everything that is worth a line: a closed union, one member per name of the contract. Only `describe.ts` turns an
 * event into prose, and text that came from a peer or a handler is cleaned before it is put into one.
 *
 * Fields are snake case because they are the log's and the API's own names.
 */
import type { ServiceStateName } from "./states.ts";

/** Why a connection was refused: event field, counter and `status` all use this one list. */
export const refusalReasons = [
  "banned",
  "denied",
  "credentials",
  "time",
  "load",
  "source-rate",
  "rate",
  "source-limit",
  "limit",
  "total",
  "proxy",
  "timeout",
  "error",
] as const;
export type RefusalReason = (typeof refusalReasons)[number];

export type DaemonEvent =
  | {
      event: "daemon.ready";
      pid: number;
      version: string;
      services: number;
      listeners: number;
      failed: number;
      max_connections: number;
      /** Sockets that the daemon was started with and nobody declares; they were closed. */
      unknown?: string[];
    }
  | {
      event: "daemon.reload";
      generation: number;
      added: string[];
      removed: string[];
      changed: string[];
      unchanged: number;
      /** Keys of `[daemon]` that differ and that a reload can apply. */
      daemon?: string[];
      /** The configuration is invalid, and all is as it was; or some of it could not be followed. */
      error?: string;
    }
  | {
      event: "daemon.upgrade";
      version?: string;
      previous?: string;
      duration_ms?: number;
      /** It has failed, and the daemon goes on as it was; the others are not set then. */
      error?: string;
    }
  | { event: "daemon.shutdown"; reason: string }
  | { event: "http.listening"; address: string }
  | { event: "http.failed"; address: string; reason: string; retry_ms: number }
  | {
      event: "service.listening";
      service: string;
      address: string;
      backlog: number;
      /** What it cannot do as well as it should, and what that can cost. */
      warning?: string;
    }
  | { event: "service.failed"; service: string; reason: string; address?: string; retry_ms: number | null }
  | { event: "service.recovered"; service: string; address?: string }
  | { event: "service.state"; service: string; state: ServiceStateName; reason?: string; until_ms?: number }
  | { event: "connection.accepted"; service: string; connection: number; remote: string; local: string }
  | {
      event: "connection.refused";
      service: string;
      /** It had been let in before it turned out that its worker could not take it. */
      connection?: number;
      reason: RefusalReason;
      remote: string;
      local: string;
      error?: string;
    }
  | {
      event: "connection.closed";
      service: string;
      connection: number;
      /** `null`: it came to no worker before its service was stopped. */
      pid: number | null;
      remote: string;
      code: number | null;
      signal: string | null;
      duration_ms: number;
      /** `in` is what the client sent. Where tinetd could count it. */
      bytes_in?: number;
      bytes_out?: number;
      /** Of a flow on UDP; `dropped` in either direction, for want of room or of a way. */
      datagrams_in?: number;
      datagrams_out?: number;
      datagrams_dropped?: number;
      /** It did not end by itself. */
      error?: string;
    }
  | { event: "handler.started"; service: string; pid: number; connection?: number }
  | { event: "handler.ready"; service: string; pid: number; duration_ms: number }
  | {
      event: "handler.exited";
      service: string;
      pid: number;
      code: number | null;
      signal: string | null;
      duration_ms: number;
      user_ms: number;
      system_ms: number;
      /** `null`: no more than the daemon's own, which is all that can be told. */
      max_rss_kb: number | null;
    }
  | { event: "handler.stopping"; service: string; pid: number; reason: string; signal: string }
  | { event: "handler.frozen"; service: string; pid: number }
  /** `duration_ms`: how long it was frozen. */
  | { event: "handler.thawed"; service: string; pid: number; duration_ms: number }
  | { event: "handler.stderr"; service: string; pid: number; text: string; dropped?: number };

export type EventName = DaemonEvent["event"];

/** Where events go. Must not throw and must not block. */
export type Emit = (event: DaemonEvent) => void;
