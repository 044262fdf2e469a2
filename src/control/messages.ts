/** What travels over the control socket: one schema for server, client, `--json` and the docs. */
import { z } from "zod";
import { refusalReasons } from "../log/events.ts";
import { handlerStateNames, serviceStateNames } from "../log/states.ts";

/** A schema, and what it gives or takes: for those who only pass them on. */
export type Schema = z.ZodType;
export type Output<T extends Schema> = z.output<T>;
export type Input<T extends Schema> = z.input<T>;

const time = z.string().meta({ description: "RFC 3339, UTC" });
const unknownBytes = z.int().nullable().meta({ description: "null where the kernel does not count them" });

export const handlerStatus = z.object({
  pid: z.int(),
  state: z.enum(handlerStateNames),
  connections: z.int().nullable().meta({ description: "null where the handler accepts by itself" }),
  started_at: time,
  idle_for_ms: z.int().nullable().meta({ description: "null while it is busy, or where nobody can tell" }),
});

export const listenerStatus = z.object({
  address: z.string().meta({ description: "canonical: tcp://127.0.0.1:7000, unix:/run/x.sock" }),
  name: z.string(),
});

export const serviceStatus = z.object({
  name: z.string(),
  state: z.enum(serviceStateNames),
  handoff: z.string(),
  listeners: z.array(listenerStatus),
  handlers: z.array(handlerStatus),
  connections: z.int().nullable(),
  accepted: z.int().nullable().meta({ description: "null where the handler accepts by itself" }),
  refused: z.partialRecord(z.enum(refusalReasons), z.int()),
  spawned: z.int(),
  start_failures: z.int(),
  last_exit: z
    .object({ pid: z.int(), code: z.int().nullable(), signal: z.string().nullable(), at: time })
    .nullable(),
  failure: z
    .string()
    .nullable()
    .meta({ description: "why it is failed or limited, or which listener is missing" }),
});

export const status = z.object({
  daemon: z.object({
    pid: z.int(),
    version: z.string(),
    started_at: time,
    config: z.string(),
    generation: z.int().meta({ description: "1, and one more with each reload that changed something" }),
    connections: z.int(),
  }),
  services: z.array(serviceStatus),
});

export const handlerEntry = handlerStatus.extend({
  service: z.string(),
  peer: z.string().nullable().meta({ description: "of a handler that was started for one connection" }),
  bytes_in: unknownBytes,
  bytes_out: unknownBytes,
  cpu_ms: z.int().nullable().meta({ description: "processor time of its session so far" }),
  memory_bytes: z.int().nullable().meta({ description: "resident memory of its session" }),
  status: z.string().nullable().meta({ description: "what it last said of itself (STATUS of sd_notify(3))" }),
});

export const connectionEntry = z.object({
  id: z.int().nullable().meta({ description: "null where the handler accepts by itself" }),
  service: z.string(),
  pid: z.int().nullable().meta({ description: "who has it, where tinetd knows" }),
  remote: z.string(),
  local: z.string(),
  started_at: time.nullable(),
  idle_for_ms: z.int().nullable(),
  bytes_in: unknownBytes,
  bytes_out: unknownBytes,
});

/** An event as the log has it, whatever fields it carries (docs: the table of events). */
export const loggedEvent = z.looseObject({ time, level: z.string(), msg: z.string(), event: z.string() });

export const why = z.object({
  service: z.string(),
  state: z.enum(serviceStateNames),
  reason: z.string().nullable().meta({ description: "why it is paused, limited or failed" }),
  until: time.nullable().meta({ description: "when it tries again by itself" }),
  woken: z
    .object({ at: time, by: z.string().nullable(), pid: z.int() })
    .nullable()
    .meta({ description: "when a handler was last started, and for whom" }),
  cold_start_ms: z.int().nullable().meta({ description: "from the last such start until it was ready" }),
});

export const serviceDetail = z.object({
  service: serviceStatus,
  handlers: z.array(handlerEntry),
  connections: z.array(connectionEntry),
  events: z.array(loggedEvent).meta({ description: "the last ten" }),
  why,
});

/** A problem in a configuration, as `tinetd check` prints it. */
export const problem = z.object({
  file: z.string(),
  line: z.int(),
  column: z.int(),
  message: z.string(),
  hint: z.string().nullable(),
});

export const plan = z.object({
  generation: z.int().meta({ description: "that is in force afterwards" }),
  added: z.array(z.string()),
  removed: z.array(z.string()),
  changed: z.array(
    z.object({
      service: z.string(),
      keys: z.array(z.string()),
      workers: z.enum(["kept", "replaced"]).meta({ description: "what becomes of handlers that run" }),
      failure: z.string().nullable().meta({ description: "why the new generation did not take over" }),
    }),
  ),
  unchanged: z.int(),
  postponed: z
    .array(z.string())
    .meta({ description: "keys of [daemon] whose change counts after an upgrade or a restart" }),
  ended: z.int().meta({ description: "connections that were still open after drain_timeout" }),
});

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

export const upgraded = z.object({ version: z.string().meta({ description: "of the code that runs now" }) });

export const failure = z.object({ error: z.string(), problems: z.array(problem).optional() });

export type Status = z.infer<typeof status>;
export type ServiceStatus = z.infer<typeof serviceStatus>;
export type HandlerStatus = z.infer<typeof handlerStatus>;
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
