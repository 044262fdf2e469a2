/** Keys of a service about the life of its handlers: readiness, idleness, stopping, failing. */
import { z } from "zod";
import { err, ok } from "../../util/result.ts";
import { forWorkers } from "./handoff.ts";
import { key } from "./key.ts";
import { parsed, words } from "./types/basic.ts";
import { stopSignal } from "./types/names.ts";
import { duration, rate } from "./types/quantities.ts";

/** How a worker tells that it can serve. `log` is the source of a regular expression. */
export type Ready = "spawn" | "connect" | "notify" | "fd" | { http: string } | { log: string };

const ready = parsed<Ready, Ready>(
  z.union(
    [
      z.enum(["spawn", "connect", "notify", "fd"]),
      z.strictObject({ http: z.string({ error: () => "expected the path of a request" }) }),
      z.strictObject({ log: z.string({ error: () => "expected a regular expression" }) }),
    ],
    { error: () => 'expected "spawn", "connect", "notify", "fd", { http = "/PATH" } or { log = "REGEX" }' },
  ),
  (input) => {
    if (typeof input === "string") return ok(input);
    if ("http" in input)
      return input.http.startsWith("/") ? ok(input) : err({ message: "the path of http must begin with /" });
    try {
      new RegExp(input.log);
      return ok(input);
    } catch (error) {
      return err({
        message: `log is not a regular expression: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
  },
  (value) => value,
);

export const lifecycleKeys = {
  ready: key(ready, {
    description:
      "When a worker counts as ready. `spawn`: when it has been started. `connect`: when `upstream` accepts. " +
      "`notify`: when it sends READY=1 to NOTIFY_SOCKET. `fd`: when it writes a newline to the descriptor named in " +
      "TINETD_READY_FD. `{ http }`: when that path answers 2xx. `{ log }`: when a line of its output matches.",
    default: "spawn",
    defaultFor: { proxy: "connect" },
    example: "notify",
  }),
  start_timeout: key(duration({ zero: false }), {
    description: "A worker that is not ready after this time has failed to start.",
    default: "30s",
    example: "2m",
    alsoCalled: ["timeout_start_sec"],
  }),
  wake_on: key(words("connect", "data"), {
    description: "What starts a handler: a connection, or the first bytes of a client.",
    default: "connect",
    example: "data",
  }),
  first_byte_timeout: key(duration({ zero: false }), {
    description: 'With `wake_on = "data"`: a client that sends nothing for so long is closed.',
    default: "10s",
    example: "3s",
  }),
  on_disconnect: key(words("keep", "stop"), {
    description: "Whether a `stdio` handler is stopped when its client has gone.",
    default: "keep",
    example: "stop",
  }),
  idle_timeout: key(duration({ zero: false }), {
    description:
      "A handler with nothing to do for so long is taken away. A flow of `stdio` on UDP ends after 30s by default.",
    default: "off",
    defaultFor: forWorkers("5m"),
    example: "10m",
    alsoCalled: ["timeout", "inactivity_timeout", "exit_idle_time"],
  }),
  on_idle: key(words("stop", "freeze"), {
    description:
      "Whether an idle worker is stopped, or frozen (with all that a stop would reach) and thawed by the next connection.",
    default: "stop",
    example: "freeze",
  }),
  max_frozen: key(duration({ zero: false }), {
    description:
      "A worker that has been frozen for so long is stopped after all, unless `workers.min` keeps it.",
    default: "1h",
    example: "1d",
  }),
  max_lifetime: key(duration({ zero: false }), {
    description:
      "The longest that a `stdio` connection may last, or a worker may run before it is replaced: one of `pass` when it " +
      "has finished its connections, one that accepts by itself in a moment in which nobody is connected, or after " +
      "`stop_timeout`.",
    default: "off",
    example: "8h",
    alsoCalled: ["runtime_max_sec"],
  }),
  stop_signal: key(stopSignal, {
    description: "The signal that asks a handler to end.",
    default: "SIGTERM",
    example: "SIGINT",
    alsoCalled: ["kill_signal"],
  }),
  stop_timeout: key(duration({ zero: true }), {
    description: "How long a handler may take to end before SIGKILL; `off` waits for ever.",
    default: "10s",
    defaultFor: forWorkers("30s"),
    example: "2m",
    alsoCalled: ["timeout_stop_sec"],
  }),
  kill_mode: key(words("process", "group", "tree"), {
    description:
      "What is stopped with a handler: it alone, its process group, or all that descends from it, also when it ends " +
      "by itself.",
    default: "group",
    defaultFor: forWorkers("tree"),
    example: "process",
  }),
  restart: key(words("on-failure", "always", "no"), {
    description: "When a worker that is kept warm (`workers.min`) is started again after its end.",
    default: "on-failure",
    example: "always",
    alsoCalled: ["respawn"],
  }),
  start_limit: key(rate, {
    description:
      "So many failed starts put the service on hold, for 1 s to 1 min, longer each time. The exit status of a " +
      "`stdio` handler never counts.",
    default: "5/10s",
    example: "10/1m",
    alsoCalled: ["start_limit_burst"],
  }),
  watchdog: key(duration({ zero: false }), {
    description: "A worker that sends no WATCHDOG=1 for so long is ended.",
    default: "off",
    example: "30s",
    alsoCalled: ["watchdog_sec"],
  }),
  replace: key(words("overlap", "stop-first"), {
    description:
      "How a reload replaces workers: the new are started before the old are stopped, or after (for programs of which " +
      "two must not run at the same time).",
    default: "stop-first",
    defaultFor: { pass: "overlap" },
    example: "overlap",
  }),
  drain_timeout: key(duration({ zero: true }), {
    description: "Connections of replaced workers that are open after this time are ended.",
    default: "30s",
    example: "5m",
  }),
};
