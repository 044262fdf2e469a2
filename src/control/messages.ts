/** What travels over the control socket: one schema for server, client, `--json` and the docs. */
import { z } from "zod";
import { refusalReasons } from "../log/events.ts";
import { handlerStateNames, serviceStateNames } from "../log/states.ts";

/** A schema, and what it gives or takes: for those who only pass them on. Those with an `id` have a table in the docs. */
export type Schema = z.ZodType;
export type Output<T extends Schema> = z.output<T>;
export type Input<T extends Schema> = z.input<T>;

/** What the docs read of a JSON Schema (https://json-schema.org/draft/2020-12). */
export interface JsonSchema {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  type?: string | string[];
  description?: string;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
}

/** Those with an `id` are definitions in it. */
export function jsonSchema(schema: Schema, io: "input" | "output"): JsonSchema {
  return z.toJSONSchema(schema, { io }) as JsonSchema;
}

const time = z.string().meta({ description: "RFC 3339, UTC" });
const unknownBytes = z.int().nullable().meta({ description: "null where the kernel does not count them" });

export const handlerStatus = z
  .object({
    pid: z.int(),
    state: z.enum(handlerStateNames),
    connections: z.int().nullable().meta({ description: "null where the handler accepts by itself" }),
    started_at: time,
    idle_for_ms: z.int().nullable().meta({ description: "null while it is busy, or where nobody can tell" }),
  })
  .meta({ id: "handler status" });

export const listenerStatus = z
  .object({
    address: z.string().meta({ description: "canonical: tcp://127.0.0.1:7000, unix:/run/x.sock" }),
    name: z.string(),
  })
  .meta({ id: "listener" });

export const serviceStatus = z
  .object({
    name: z.string(),
    state: z.enum(serviceStateNames),
    handoff: z.string(),
    listeners: z.array(listenerStatus),
    handlers: z.array(handlerStatus),
    connections: z
      .int()
      .nullable()
      .meta({ description: "open ones; null where the kernel cannot count them" }),
    accepted: z.int().nullable().meta({ description: "so far; null where the handler accepts by itself" }),
    refused: z
      .partialRecord(z.enum(refusalReasons), z.int())
      .meta({ description: "how many so far, by reason; what never happened is left out" }),
    spawned: z.int().meta({ description: "handlers that were started so far" }),
    start_failures: z.int().meta({ description: "starts that have failed so far (start_limit)" }),
    last_exit: z
      .object({ pid: z.int(), code: z.int().nullable(), signal: z.string().nullable(), at: time })
      .nullable()
      .meta({ description: "of the handler that ended last" }),
    failure: z
      .string()
      .nullable()
      .meta({ description: "why it is failed or limited, or which listener is missing" }),
  })
  .meta({ id: "service status" });

export const status = z
  .object({
    daemon: z.object({
      pid: z.int(),
      version: z.string(),
      started_at: time,
      config: z.string(),
      generation: z.int().meta({ description: "1, and one more with each reload that changed something" }),
      connections: z.int(),
    }),
    services: z.array(serviceStatus),
  })
  .meta({ id: "status" });

export const handlerEntry = handlerStatus
  .extend({
    service: z.string(),
    peer: z.string().nullable().meta({ description: "of a handler that was started for one connection" }),
    bytes_in: unknownBytes,
    bytes_out: unknownBytes,
    cpu_ms: z.int().nullable().meta({ description: "processor time of its session so far" }),
    memory_bytes: z.int().nullable().meta({ description: "resident memory of its session" }),
    status: z
      .string()
      .nullable()
      .meta({ description: "what it last said of itself (STATUS of sd_notify(3))" }),
  })
  .meta({ id: "handler" });

export const connectionEntry = z
  .object({
    id: z.int().nullable().meta({ description: "null where the handler accepts by itself" }),
    service: z.string(),
    pid: z.int().nullable().meta({ description: "who has it, where tinetd knows" }),
    remote: z.string(),
    local: z.string(),
    started_at: time.nullable(),
    idle_for_ms: z.int().nullable(),
    bytes_in: unknownBytes,
    bytes_out: unknownBytes,
  })
  .meta({ id: "connection" });

/** An event as the log has it, whatever fields it carries (docs: the table of events). */
export const loggedEvent = z
  .looseObject({ time, level: z.string(), msg: z.string(), event: z.string() })
  .meta({ id: "event" });

export const why = z
  .object({
    service: z.string(),
    state: z.enum(serviceStateNames),
    reason: z.string().nullable().meta({ description: "why it is paused, limited or failed" }),
    until: time.nullable().meta({ description: "when it tries again by itself" }),
    woken: z
      .object({ at: time, by: z.string().nullable(), pid: z.int() })
      .nullable()
      .meta({ description: "when a handler was last started, and for whom" }),
    cold_start_ms: z.int().nullable().meta({ description: "from the last such start until it was ready" }),
  })
  .meta({ id: "why" });

export const serviceDetail = z
  .object({
    service: serviceStatus,
    handlers: z.array(handlerEntry),
    connections: z.array(connectionEntry),
    events: z.array(loggedEvent).meta({ description: "the last ten" }),
    why,
  })
  .meta({ id: "service" });

/** A problem in a configuration, as `tinetd check` prints it. */
export const problem = z
  .object({
    file: z.string(),
    line: z.int(),
    column: z.int(),
    message: z.string(),
    hint: z.string().nullable(),
  })
  .meta({ id: "problem" });

export const plan = z
  .object({
    generation: z.int().meta({ description: "that is in force afterwards" }),
    added: z.array(z.string()).meta({ description: "names of services" }),
    removed: z.array(z.string()).meta({ description: "names of services" }),
    changed: z.array(
      z.object({
        service: z.string(),
        keys: z.array(z.string()).meta({ description: "that differ" }),
        workers: z.enum(["kept", "replaced"]).meta({
          description: "what becomes of workers that run; handlers of stdio finish in either case",
        }),
        failure: z.string().nullable().meta({ description: "why the new generation did not take over" }),
      }),
    ),
    unchanged: z.int(),
    daemon: z
      .array(
        z.object({
          key: z.string(),
          failure: z.string().nullable().meta({ description: "why it is as before" }),
        }),
      )
      .meta({ description: "keys of [daemon] that changed" }),
    postponed: z
      .array(z.string())
      .meta({ description: "keys of [daemon] whose change counts from the next start of the daemon on" }),
    ended: z.int().meta({ description: "connections that were still open after drain_timeout" }),
  })
  .meta({ id: "plan" });

const flag = z.union([z.boolean(), z.stringbool()]).prefault(false);
const number = z.coerce.number().int().positive();

export const nothing = z.object({});
export const list = <T extends Schema>(of: T) => z.array(of);
/** What a request may say; a query has only texts, so that each is understood as one too. */
export const service = z.object({ service: z.string() });
export const handler = z.object({ pid: number });
export const connection = z.object({ connection: number });
export const shutdown = z.object({ drain: flag.meta({ description: "let open connections finish" }) });
export const stop = service.extend(shutdown.shape);
export const pause = service.extend({
  max_wait_ms: number.optional().meta({ description: "resume by itself after so long, in milliseconds" }),
});
export const reload = z.object({ dry_run: flag.meta({ description: "only say what would change" }) });
/** Any JSON object. */
export const object = z.record(z.string(), z.unknown());

export const upgraded = z
  .object({
    version: z.string().meta({ description: "of the code that runs now" }),
    previous: z.string().meta({ description: "of the code that ran before" }),
    gap_ms: z.number().meta({ description: "how long clients have waited in the kernel, in milliseconds" }),
  })
  .meta({ id: "upgraded" });

export const failure = z
  .object({ error: z.string(), problems: z.array(problem).optional() })
  .meta({ id: "failure" });

export type Status = z.infer<typeof status>;
export type ServiceStatus = z.infer<typeof serviceStatus>;
export type HandlerEntry = z.infer<typeof handlerEntry>;
export type ConnectionEntry = z.infer<typeof connectionEntry>;
export type LoggedEvent = z.infer<typeof loggedEvent>;
export type Why = z.infer<typeof why>;
export type ServiceDetail = z.infer<typeof serviceDetail>;
export type Problem = z.infer<typeof problem>;
export type Plan = z.infer<typeof plan>;
export type Failure = z.infer<typeof failure>;
export type Nothing = z.infer<typeof nothing>;
export type Upgraded = z.infer<typeof upgraded>;
