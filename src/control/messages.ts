/** What travels over the control socket: one schema for server, client, `--json` and the docs. */
import { z } from "zod";
import { refusalReasons } from "../log/events.ts";
import { handlerStateNames, serviceStateNames } from "../log/states.ts";

const time = z.string().meta({ description: "RFC 3339, UTC" });

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
    generation: z.int(),
    connections: z.int(),
  }),
  services: z.array(serviceStatus),
});

export type Status = z.infer<typeof status>;
export type ServiceStatus = z.infer<typeof serviceStatus>;
export type HandlerStatus = z.infer<typeof handlerStatus>;
