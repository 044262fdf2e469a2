/**
 * Taking workers away that accept by themselves, without losing anybody who comes just then.
 *
 * For TCP: (1) the listeners' filter program is replaced by one that drops the first segment of a connection, so that
 * whoever knocks from now on knocks again by himself (after 1 s, 3 s, 7 s: a worker that stops slowly costs him that
 * much); (2) open, queued and half-open connections are counted, and any makes the workers stay and the program go
 * back; (3) at none the workers are told to stop; (4) when they are gone the program goes back, and who knocked is
 * served by a new one. The program is replaced each time and never detached: access rules live in it as well.
 *
 * Setting a program needs CAP_NET_ADMIN. Without it, and for kinds of socket that have no such door, step 1 is left
 * out: then who comes between the count and the worker's end can be lost.
 */
import { isSystemError, type Sys } from "../native/sys.ts";
import { dropSyn, passAll } from "../net/filter.ts";
import type { BoundListener } from "../net/listen.ts";

/** Closes the door to newcomers. @returns whether it is closed at every listener */
export function closeDoors(sys: Pick<Sys, "attachFilter">, listeners: readonly BoundListener[]): boolean {
  let closed = true;
  for (const listener of listeners) {
    if (listener.kind !== "tcp" || !setProgram(sys, listener, dropSyn())) closed = false;
  }
  return closed;
}

/** Opens it again. Also for a listener that we were given: who had it before us may have died with the door closed. */
export function openDoors(sys: Pick<Sys, "attachFilter">, listeners: readonly BoundListener[]): void {
  for (const listener of listeners) if (listener.kind === "tcp") setProgram(sys, listener, passAll());
}

function setProgram(
  sys: Pick<Sys, "attachFilter">,
  { fd }: BoundListener,
  program: readonly number[],
): boolean {
  try {
    sys.attachFilter(fd, program);
    return true;
  } catch (error) {
    if (!isSystemError(error) || error.code !== "EPERM") throw error;
    return false;
  }
}
