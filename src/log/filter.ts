/** Which events of a service are logged (`log`). Pure. */
import { levelOf } from "./describe.ts";
import type { DaemonEvent, Emit } from "./events.ts";

export type LogChoice = "all" | "failures" | "none";

/** `failures`: what is a warning or an error, and handlers that a signal ended, be it ours: why may be the failure. */
export function isLogged(choice: LogChoice, event: DaemonEvent): boolean {
  switch (choice) {
    case "all":
      return true;
    case "none":
      return false;
    case "failures": {
      const level = levelOf(event);
      return (
        level === "warn" || level === "error" || (event.event === "handler.exited" && event.signal !== null)
      );
    }
  }
}

/** `emit` as one service uses it. */
export function filterEvents(choice: LogChoice, emit: Emit): Emit {
  if (choice === "all") return emit;
  if (choice === "none") return () => {};
  return (event) => {
    if (isLogged(choice, event)) emit(event);
  };
}
