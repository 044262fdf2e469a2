/** A connection on its way to a worker of `pass`, and with it. */
import type { Carry } from "../native/carry.ts";
import type { Sys } from "../native/sys.ts";
import type { BoundListener } from "../net/listen.ts";
import type { Connection, HandoffHost, Incoming, Restored } from "./handoff.ts";
import type { Worker } from "./pass-worker.ts";
import {
  restoreConnection,
  restoreIncoming,
  type SavedConnection,
  type SavedIncoming,
  saveConnection,
  saveIncoming,
} from "./saved.ts";

export interface Passed {
  readonly connection: Connection;
  /** With our own copy of its descriptor, which we have until a worker has received it; `null` from then on. */
  incoming: Incoming | null;
  /** Who has it, or is to have it. */
  worker: Worker | null;
}

export type Unreceived = Passed & { incoming: Incoming };

export interface SavedPassed {
  connection: SavedConnection;
  incoming: SavedIncoming | null;
}

/** Whether it can be given to another worker. */
export function isUnreceived(passed: Passed): passed is Unreceived {
  return passed.incoming !== null;
}

/** Our copy of it would only keep it from ending. */
export function closeCopy({ close }: Pick<Sys, "close">, passed: Passed): void {
  if (passed.incoming !== null) close(passed.incoming.fd);
  passed.incoming = null;
}

/** @param listeners those that are bound, in their order */
export function savePassed(
  { connection, incoming }: Passed,
  listeners: readonly BoundListener[],
  carry: Carry,
): SavedPassed {
  return {
    connection: saveConnection(connection),
    incoming: incoming === null ? null : saveIncoming(incoming, listeners, carry),
  };
}

/** @param onEnd the kernel has seen its end */
export function restorePassed(
  { connection, incoming }: SavedPassed,
  host: Pick<HandoffHost, "resumeEnd">,
  from: Pick<Restored, "claim" | "listeners">,
  worker: Worker | null,
  onEnd: (passed: Passed) => void,
): Passed {
  const passed: Passed = {
    connection: restoreConnection(connection, host, () => onEnd(passed)),
    incoming: incoming === null ? null : restoreIncoming(incoming, from),
    worker,
  };
  return passed;
}
