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
import {
  type Handoff,
  type HandoffHost,
  keepsNothing,
  type StandardDescriptors,
  type Start,
} from "./handoff.ts";

/** After so many handlers that did not take it, a datagram is dropped. */
const mostTries = 3;

interface Turn {
  listener: BoundListener;
  /** What waited when the handler was started. */
  before: readonly string[];
}

export function createWait(host: HandoffHost): Handoff {
  const turns = new Map<number, Turn>();
  /** The datagram at the head of each socket, and how many handlers have left it there. */
  const stuck = new Map<BoundListener, { datagram: string; tries: number }>();

  function readable(listener: BoundListener): void {
    const before = host.waiting(listener);
    // Shared with the handler, which expects its 0 to block.
    host.sys.setBlocking(listener.fd, true);
    const started = host.launch((standard) => startWait(listener, standard), null);
    if (!started.ok) return;
    turns.set(started.value.pid, { listener, before });
    host.rewatch();
  }

  function gone({ pid }: { pid: number }): void {
    const turn = turns.get(pid);
    if (turn === undefined) return;
    const { listener, before } = turn;
    turns.delete(pid);
    host.repair(listener);
    const after = host.waiting(listener);
    if (isEmptied(before, after)) {
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
