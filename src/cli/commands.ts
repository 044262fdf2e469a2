/** The table of commands: parsing, `--help`, completion and docs/commands.md know no other list. */
import type { Command } from "./command.ts";

/** By name, in the order of the help. Each is loaded only when it is called. */
export const commands: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import("./run.ts")).run,
  serve: async () => (await import("./serve.ts")).serve,
  check: async () => (await import("./check.ts")).check,
  show: async () => (await import("./show.ts")).show,
  status: async () => (await import("./status.ts")).status,
  ps: async () => (await import("./ps.ts")).ps,
  top: async () => (await import("./top.ts")).top,
  events: async () => (await import("./events.ts")).events,
  why: async () => (await import("./why.ts")).why,
  start: async () => (await import("./operate.ts")).start,
  stop: async () => (await import("./operate.ts")).stop,
  restart: async () => (await import("./operate.ts")).restart,
  pause: async () => (await import("./operate.ts")).pause,
  resume: async () => (await import("./operate.ts")).resume,
  kill: async () => (await import("./kill.ts")).kill,
  reload: async () => (await import("./reload.ts")).reload,
  upgrade: async () => (await import("./upgrade.ts")).upgrade,
  shutdown: async () => (await import("./shutdown.ts")).shutdown,
  init: async () => (await import("./init.ts")).init,
  schema: async () => (await import("./schema.ts")).schema,
  completion: async () => (await import("./completion.ts")).completion,
  __candidates: async () => (await import("./candidates.ts")).candidates,
};

export function loadCommands(): Promise<Command[]> {
  return Promise.all(Object.values(commands).map((load) => load()));
}
