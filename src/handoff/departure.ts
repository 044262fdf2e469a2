/**
 * Taking workers away that accept by themselves, without losing anybody who comes just then. All listeners of a service
 * take the same steps together:
 *
 * (1) The door is closed: nobody new can get to the workers any more. For TCP, the listener's filter program is replaced
 * by one that drops the first segment of a connection, so that whoever knocks from now on knocks again by himself (after
 * 1 s, 3 s, 7 s: a worker that stops slowly costs him that much). For a Unix socket with a twin (`net/twin.ts`), the path
 * is turned to the twin, in whose queue clients wait for the next worker. (2) Open, queued and half-open connections are
 * counted, and any makes the workers stay and the doors open again. After a path was turned it is counted once more a
 * moment later: connect(2) may have gone by the old node already and be about to enter that queue. (3) At none the
 * workers are told to stop. (4) When they are gone the programs go back, and who knocked is served by a new one; so is,
 * first of all, who is found in the old queue after all.
 *
 * Where some of a service's workers leave and others stay, paths are not turned: those who stay have the same queue.
 * A path is not turned back while somebody waits at the twin, who would wait for ever: then the workers go as soon as
 * those have left who are connected to them.
 *
 * An upgrade may come between any two steps: programs are the sockets' own, nodes stay where they are, and who is on his
 * way out is part of what the handoffs save. So the next process takes the next step.
 *
 * A TCP program is replaced each time and never detached: access rules live in it as well. Setting one needs
 * CAP_NET_ADMIN. Without it, and for sockets that have no such door (abstract names, datagrams, FIFOs, sockets that we
 * were given), step 1 is left out: then who comes between the count and the workers' end can be lost.
 */
import { type Fd, READABLE, type Sys } from "../native/sys.ts";
import { dropSyn, passAll } from "../net/filter.ts";
import type { BoundListener } from "../net/listen.ts";
import { setProgram } from "../net/program.ts";
import { swapTwins, turnPath } from "../net/twin.ts";

type DoorSys = Pick<Sys, "attachFilter" | "exchangePaths" | "poll">;

/**
 * Step 1.
 * @param all no worker stays: else paths are left as they are, since who waits at a twin would wait for those who stay
 * @returns whether a path was turned, so that step 2 is to be taken again in a moment
 */
export function closeDoors(sys: DoorSys, listeners: readonly BoundListener[], all = true): boolean {
  let turned = false;
  for (const listener of listeners) {
    if (listener.kind === "tcp") setProgram(sys, listener.fd, dropSyn());
    else if (all && turnPath(sys, listener, true)) turned = true;
  }
  return turned;
}

/** Opens them again. @returns whether all are open: not where somebody waits at the twin */
export function openDoors(sys: DoorSys, listeners: readonly BoundListener[]): boolean {
  let open = true;
  for (const listener of listeners) {
    if (listener.kind === "tcp") setProgram(sys, listener.fd, passAll());
    else if (waitsAtTwin(sys, [listener])) open = false;
    else turnPath(sys, listener, false);
  }
  return open;
}

/**
 * Step 4 for Unix sockets, when no worker is left and another is to be started: it gets the sockets of those before it
 * if somebody waits there, else their twins. @returns as `openDoors`
 */
export function chooseQueues(sys: DoorSys, listeners: readonly BoundListener[]): boolean {
  for (const listener of listeners) {
    if (waitsAtTwin(sys, [listener]) && !waits(sys, listener.fd)) swapTwins(listener);
  }
  return openDoors(
    sys,
    listeners.filter(({ twin }) => twin !== null),
  );
}

/** Whether somebody is in a queue that no worker has. */
export function waitsAtTwin(sys: DoorSys, listeners: readonly BoundListener[]): boolean {
  return listeners.some(({ twin }) => twin !== null && waits(sys, twin.fd));
}

function waits(sys: DoorSys, fd: Fd): boolean {
  return (sys.poll(fd) & READABLE) !== 0;
}

/** Whether step 1 can be taken for TCP. Found out by trying: only some kernels ask for CAP_NET_ADMIN. */
export function closesTcp(sys: Pick<Sys, "socket" | "attachFilter" | "close">): boolean {
  const fd = sys.socket("inet", "stream");
  try {
    return setProgram(sys, fd, passAll());
  } finally {
    sys.close(fd);
  }
}
