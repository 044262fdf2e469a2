/**
 * `wait`: a handler gets the listening (or datagram) socket itself as 0 and 1 and does the accepting; tinetd leaves the
 * socket alone until that handler has ended, then looks at the same open socket again at once, so that nobody falls in
 * between. One handler for each listener of the service.
 *
 * What waited before a handler started and still waits after its end shows whether it took anything. One that did not
 * counts as a failed start, or a socket that nobody empties would start handlers for ever; a datagram that three
 * handlers in a row have left is dropped.
 */
import type { BoundListener } from "../net/listen.ts";
import { isEmptied, takesDatagrams } from "../net/waiting.ts";
import { closeDoors, openDoors } from "./departure.ts";
import {
  endedTooSoon,
  type HandlerRef,
  type Handoff,
  type HandoffHost,
  keepsNothing,
  launchOne,
  type StandardDescriptors,
  type Start,
} from "./handoff.ts";
import { createIdleWatch, type IdleWatch } from "./idle-watch.ts";

/** After so many handlers that did not take it, a datagram is dropped. */
const mostTries = 3;

interface Turn {
  listener: BoundListener;
  /** What waited when the handler was started. */
  before: readonly string[];
  idle: IdleWatch | null;
  /** The handler was told to stop because nobody is there, with the door closed behind it. */
  leaving: boolean;
}

export function createWait(host: HandoffHost): Handoff {
  const turns = new Map<number, Turn>();
  /** The datagram at the head of each socket, and how many handlers have left it there. */
  const stuck = new Map<BoundListener, { datagram: string; tries: number }>();

  function readable(listener: BoundListener): void {
    const before = host.waiting(listener);
    // Shared with the handler, which expects its 0 to block.
    host.sys.setBlocking(listener.fd, true);
    if (listener.inherited) openDoors(host.sys, [listener]);
    const started = launchOne(host, (standard) => startWait(listener, standard), null);
    if (!started.ok) return;
    turns.set(started.value.pid, watched({ listener, before, idle: null, leaving: false }, started.value));
    host.rewatch();
  }

  function watched(turn: Turn, handler: HandlerRef): Turn {
    const { idleTimeout } = host.config;
    if (idleTimeout === null) return turn;
    const listeners = [turn.listener];
    const isQuiet = () => host.isQuiet(listeners, [handler]);
    turn.idle = createIdleWatch(
      host,
      idleTimeout,
      () => listeners,
      isQuiet,
      () => leave(turn, handler, isQuiet),
    );
    turn.idle.start();
    return turn;
  }

  /** The steps are those of departure.ts. */
  function leave(turn: Turn, handler: HandlerRef, isQuiet: () => boolean): void {
    closeDoors(host.sys, [turn.listener]);
    if (isQuiet()) {
      turn.leaving = true;
      turn.idle?.stop();
      handler.stop("idle_timeout");
    } else {
      openDoors(host.sys, [turn.listener]);
      turn.idle?.start();
    }
  }

  function gone({ pid, wasReady }: HandlerRef): void {
    const turn = turns.get(pid);
    if (turn === undefined) return;
    const { listener, before, leaving } = turn;
    turns.delete(pid);
    turn.idle?.stop();
    // The service may have been stopped, or the listener bound anew: then its descriptor is another's by now.
    if (!host.listeners().includes(listener)) return;
    if (leaving) openDoors(host.sys, [listener]);
    const after = host.waiting(listener);
    // Last of all that looks at it: what cannot be put right is closed and bound anew.
    host.repair(listener);
    if (!wasReady) {
      host.ended(endedTooSoon);
    } else if (leaving || isEmptied(before, after)) {
      stuck.delete(listener);
      host.ended(null);
    } else {
      leftAll(listener, after[0] ?? "");
      host.ended("the handler took nothing from its socket");
    }
    host.rewatch();
  }

  function leftAll(listener: BoundListener, head: string): void {
    if (!takesDatagrams(listener.kind)) return;
    const before = stuck.get(listener);
    const tries = before?.datagram === head ? before.tries + 1 : 1;
    if (tries < mostTries) {
      stuck.set(listener, { datagram: head, tries });
      return;
    }
    stuck.delete(listener);
    host.dropDatagram(listener, `${mostTries} handlers have not taken it`);
  }

  return {
    ...keepsNothing,
    accepts: false,
    readable,
    holds: (listener) => [...turns.values()].some((turn) => turn.listener === listener),
    gone,
  };
}

export function startWait({ fd }: BoundListener, { nothing, stderr }: StandardDescriptors): Start {
  // A socket that listens cannot be written to; what a handler says on stderr = "socket" would be lost in it.
  return { descriptors: [fd, fd, stderr === "connection" ? nothing : stderr], variables: [] };
}
