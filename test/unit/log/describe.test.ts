import { expect, test } from "vitest";
import { describe, levelOf } from "../../../src/log/describe.ts";
import type { DaemonEvent } from "../../../src/log/events.ts";

const tcp = { remote: "tcp://198.51.100.7:5", local: "tcp://192.0.2.1:22" };

test.each<[DaemonEvent, ReturnType<typeof levelOf>, string]>([
  [
    {
      event: "daemon.ready",
      pid: 1,
      version: "1.0.0",
      services: 1,
      listeners: 2,
      failed: 1,
      max_connections: 9,
    },
    "info",
    "ready: 1 service, 2 listeners, 1 failed",
  ],
  [
    { event: "service.listening", service: "ssh", address: "tcp://[::]:22", backlog: 9 },
    "info",
    '"ssh" listens on tcp://[::]:22',
  ],
  [
    { event: "service.listening", service: "db", address: "unix:/x", backlog: 9, warning: "it has no twin" },
    "warn",
    '"db" listens on unix:/x; it has no twin',
  ],
  [
    { event: "service.failed", service: "ssh", address: "tcp://[::]:22", reason: "in use", retry_ms: 1000 },
    "error",
    '"ssh" cannot listen on tcp://[::]:22: in use, retrying in 1.0s',
  ],
  [
    { event: "service.failed", service: "ssh", reason: "user: there is no user", retry_ms: 64_000 },
    "error",
    '"ssh" cannot run: user: there is no user, retrying in 64s',
  ],
  [{ event: "service.failed", service: "ssh", reason: "x", retry_ms: null }, "error", '"ssh" cannot run: x'],
  [{ event: "service.state", service: "ssh", state: "listening" }, "debug", '"ssh" is listening'],
  [
    { event: "service.state", service: "ssh", state: "limited", reason: "descriptors", until_ms: 100 },
    "warn",
    '"ssh" is limited: descriptors, for 0.100s',
  ],
  [{ event: "service.state", service: "ssh", state: "stopped" }, "info", '"ssh" is stopped'],
  [
    { event: "connection.refused", service: "ssh", reason: "limit", ...tcp },
    "warn",
    '"ssh" refused tcp://198.51.100.7:5: limit',
  ],
  [
    { event: "connection.refused", service: "ssh", reason: "error", ...tcp, error: "cannot start" },
    "error",
    '"ssh" refused tcp://198.51.100.7:5: cannot start',
  ],
  [
    { event: "handler.stopping", service: "ssh", pid: 7, reason: "max_lifetime", signal: "SIGTERM" },
    "info",
    'stopping handler 7 of "ssh" with SIGTERM: max_lifetime',
  ],
  [{ event: "handler.stderr", service: "ssh", pid: 7, text: "hello" }, "info", "ssh[7]: hello"],
  [
    { event: "handler.stderr", service: "ssh", pid: 7, text: "", dropped: 3 },
    "warn",
    "ssh[7]: 3 lines of stderr dropped",
  ],
])("%j", (event, level, sentence) => {
  expect({ level: levelOf(event), sentence: describe(event) }).toEqual({ level, sentence });
});

test.each([
  [{ code: 0, signal: null }, 4, 'handler 7 of "s" exited with 0 after 0.004s'],
  [{ code: null, signal: "SIGKILL" }, 12_345, 'handler 7 of "s" was ended by SIGKILL after 12s'],
  [{ code: 1, signal: null }, 200_000, 'handler 7 of "s" exited with 1 after 3m20s'],
])("an end: %j after %i ms", (ending, duration_ms, sentence) => {
  const usage = { user_ms: 0, system_ms: 0, max_rss_kb: null };
  expect(describe({ event: "handler.exited", service: "s", pid: 7, duration_ms, ...ending, ...usage })).toBe(
    sentence,
  );
});
