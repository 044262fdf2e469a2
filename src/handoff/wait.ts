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
import { takesDatagrams } from "../net/waiting.ts";
import { closeDoors, openDoors } from "./departure.ts";
import { createFrost, type Frost } from "./frost.ts";
import {
  endedTooSoon,
  type HandlerRef,
  type Handoff,
  type HandoffHost,
  keepsNothing,
  launchOne,
  type StandardDescriptors,
  type Start,
  staysBehind,
} from "./handoff.ts";
import { createIdleWatch, type IdleWatch } from "./idle-watch.ts";
import { type Aging, awaitLeave, tooOld } from "./old-age.ts";
import { createTakings, type Waited } from "./takings.ts";

/** After so many handlers that did not take it, a datagram is dropped. */
const mostTries = 3;

interface Turn {
  readonly listener: BoundListener;
  readonly handler: HandlerRef;
  /** What waited when the handler was started. */
  readonly before: Waited;
  readonly frost: Frost;
  idle: IdleWatch | null;
  /** The handler was told to stop because nobody is there, with the door closed behind it. */
  leaving: boolean;
  /** Its `max_lifetime` is over: it goes in a moment in which it can. */
  aged: Aging | null;
}

export function createWait(host: HandoffHost): Handoff {
  const turns = new Map<number, Turn>();
  const takings = createTakings(host, false);
  /** The datagram at the head of each socket, and how many handlers have left it there. */
  const stuck = new Map<BoundListener, { datagram: string; tries: number }>();

  function readable(listener: BoundListener): void {
    const turn = [...turns.values()].find((each) => each.listener === listener);
    if (turn === undefined) start(listener);
    else wake(turn);
  }

  function start(listener: BoundListener): void {
    const before = takings.look([listener]);
    // Shared with the handler, which expects its 0 to block.
    host.sys.setBlocking(listener.fd, true);
    if (listener.inherited) openDoors(host.sys, [listener]);
    const started = launchOne(host, (standard) => startWait(listener, standard), null);
    if (!started.ok) return;
    turns.set(started.value.pid, newTurn(listener, started.value, before));
    host.rewatch();
  }

  function newTurn(listener: BoundListener, handler: HandlerRef, before: Waited): Turn {
    const frost = createFrost(host, {
      settled: () => void (isQuiet(turn) || wake(turn)),
      failed: () => stop(turn, "idle_timeout"),
      expired: () => stop(turn, "max_frozen"),
    });
    const turn: Turn = { listener, handler, before, frost, idle: null, leaving: false, aged: null };
    const { idleTimeout } = host.config;
    if (idleTimeout === null) return turn;
    turn.idle = createIdleWatch(
      host,
      idleTimeout,
      () => [listener],
      () => isQuiet(turn),
      () => (host.config.onIdle === "freeze" ? freeze(turn) : stop(turn, "idle_timeout")),
    );
    turn.idle.start();
    return turn;
  }

  function isQuiet({ listener, handler, frost }: Turn): boolean {
    return frost.on ? host.isDeserted([listener]) : host.isQuiet([listener], [handler]);
  }

  /** From now on the listener is watched again: a knock wakes the handler, also while it is not quite frozen. */
  function freeze({ idle, frost, handler }: Turn): void {
    idle?.stop();
    frost.begin([handler]);
    host.rewatch();
  }

  function wake({ idle, frost }: Turn): void {
    frost.thaw();
    host.rewatch();
    idle?.start();
  }

  function stop(turn: Turn, reason: string): void {
    if (!leave(turn, reason)) wake(turn);
  }

  /** The steps are those of departure.ts. @returns false: somebody is there, and it stays */
  function leave(turn: Turn, reason: string): boolean {
    closeDoors(host.sys, [turn.listener]);
    if (!isQuiet(turn)) {
      openDoors(host.sys, [turn.listener]);
      return false;
    }
    turn.leaving = true;
    turn.idle?.stop();
    turn.frost.leave(turn.handler);
    turn.handler.stop(reason);
    host.rewatch();
    return true;
  }

  function aged({ pid }: HandlerRef): void {
    const turn = turns.get(pid);
    if (turn === undefined) return;
    turn.aged = awaitLeave(host, turn.handler, () => isQuiet(turn) && leave(turn, tooOld));
  }

  function gone({ pid, wasReady }: HandlerRef): void {
    const turn = turns.get(pid);
    if (turn === undefined) return;
    const { listener, before, leaving } = turn;
    turns.delete(pid);
    turn.idle?.stop();
    turn.frost.leave(turn.handler);
    turn.aged?.giveUp();
    // The service may have been stopped, or the listener bound anew: then its descriptor is another's by now.
    if (!host.listeners().includes(listener)) return;
    if (leaving) openDoors(host.sys, [listener]);
    const taken = takings.taken(before, [listener]);
    const [head = ""] = taken ? [] : host.waiting(listener);
    // Last of all that looks at it: what cannot be put right is closed and bound anew.
    host.repair(listener);
    if (!wasReady) {
      host.ended(endedTooSoon);
    } else if (leaving || taken) {
      stuck.delete(listener);
      host.ended(null);
    } else {
      leftAll(listener, head);
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
    ...staysBehind,
    // Who was let in cannot be put back into the kernel's queue, from which a handler takes everybody.
    receive: (incoming) => {
      for (const { fd } of incoming) host.sys.close(fd);
    },
    accepts: false,
    readable,
    holds: (listener) => [...turns.values()].some((turn) => turn.listener === listener && !turn.frost.on),
    gone,
    aged,
  };
}

export function startWait({ fd }: BoundListener, { nothing, stderr }: StandardDescriptors): Start {
  // A socket that listens cannot be written to; what a handler says on stderr = "socket" would be lost in it.
  return { descriptors: [fd, fd, stderr === "connection" ? nothing : stderr], variables: [] };
}
