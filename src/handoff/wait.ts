/**
 * `wait`: a handler gets the listening (or datagram) socket itself as 0 and 1 and does the accepting; tinetd leaves the
 * socket alone until that handler has ended, then looks at the same open socket again at once, so that nobody falls in
 * between. One handler for each listener of the service.
 *
 * What waited before a handler started and still waits after its end shows whether it took anything. One that did not
 * counts as a failed start, or a socket that nobody empties would start handlers for ever; and so would a datagram that
 * nobody takes (stuck.ts).
 */
import type { Carry } from "../native/carry.ts";
import type { BoundListener } from "../net/listen.ts";
import { closeDoors, openDoors } from "./departure.ts";
import { createFrost } from "./frost.ts";
import {
  endedTooSoon,
  type HandlerRef,
  type Handoff,
  type HandoffHost,
  keepsNothing,
  launchOne,
  type Restored,
} from "./handoff.ts";
import { createIdleWatch } from "./idle-watch.ts";
import { awaitLeave, resumeLeave, tooOld } from "./old-age.ts";
import { restoredHandler, restoreListener } from "./saved.ts";
import { createStuck } from "./stuck.ts";
import { createTakings, restoreWaited, type Waited } from "./takings.ts";
import { type SavedWait, saveTurn, startWait, type Turn } from "./wait-turn.ts";

export function createWait(host: HandoffHost): Handoff {
  const turns = new Map<number, Turn>();
  const takings = createTakings(host, () => false);
  const stuck = createStuck(host);

  function readable(listener: BoundListener): void {
    const turn = [...turns.values()].find((each) => each.listener === listener);
    if (turn === undefined) start(listener);
    else wake(turn);
  }

  function start(listener: BoundListener): void {
    const before = takings.look([listener]);
    // Shared with the handler, which expects its 0 to block.
    host.sys.setBlocking(listener.fd, true);
    const started = launchOne(host, (standard) => startWait(listener, standard), null);
    if (!started.ok) return;
    const turn = newTurn(listener, started.value, before);
    turns.set(turn.handler.pid, turn);
    turn.idle.start();
    host.rewatch();
  }

  function newTurn(listener: BoundListener, handler: HandlerRef, before: Waited): Turn {
    const frost = createFrost(host, {
      settled: () => void (isQuiet(turn) || wake(turn)),
      failed: () => stop(turn, "idle_timeout"),
      expired: () => stop(turn, "max_frozen"),
    });
    const idle = createIdleWatch(
      host,
      () => host.config.idleTimeout,
      () => [listener],
      () => isQuiet(turn),
      () => (host.config.onIdle === "freeze" ? freeze(turn) : stop(turn, "idle_timeout")),
    );
    const turn: Turn = { listener, handler, before, frost, idle, leaving: false, aged: null };
    return turn;
  }

  function isQuiet({ listener, handler, frost }: Turn): boolean {
    return frost.on ? host.isDeserted([listener]) : host.isQuiet([listener], [handler]);
  }

  /** From now on the listener is watched again: a knock wakes the handler, also while it is not quite frozen. */
  function freeze({ idle, frost, handler }: Turn): void {
    idle.stop();
    frost.begin([handler]);
    host.rewatch();
  }

  function wake({ idle, frost }: Turn): void {
    frost.thaw();
    host.rewatch();
    idle.start();
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
    turn.idle.stop();
    turn.frost.leave(turn.handler);
    turn.handler.stop(reason);
    host.rewatch();
    return true;
  }

  /** Else the service was stopped, or the listener bound anew: then its descriptor is another's by now. */
  function isBound({ listener }: Turn): boolean {
    return host.listeners().includes(listener);
  }

  /** Nobody can tell any more who is with its handler: so that one goes on to its own end, but not from a freeze. */
  function closing(listener: BoundListener): void {
    stuck.forget(listener);
    for (const turn of turns.values()) {
      if (turn.listener !== listener) continue;
      turn.idle.stop();
      if (!turn.frost.on) continue;
      turn.frost.leave(turn.handler);
      // Else the service stops it.
      if (!host.isStopped()) turn.handler.stop("its listener is closed");
    }
  }

  function aged({ pid }: HandlerRef): void {
    const turn = turns.get(pid);
    if (turn === undefined) return;
    turn.aged?.giveUp();
    turn.aged = awaitLeave(host, turn.handler, leaveForAge(turn));
  }

  function leaveForAge(turn: Turn): () => boolean {
    return () => isBound(turn) && isQuiet(turn) && leave(turn, tooOld);
  }

  function gone({ pid, wasReady }: HandlerRef): void {
    const turn = turns.get(pid);
    if (turn === undefined) return;
    const { listener, before, leaving } = turn;
    turns.delete(pid);
    turn.idle.stop();
    turn.frost.leave(turn.handler);
    turn.aged?.giveUp();
    if (!isBound(turn)) return;
    if (leaving) openDoors(host.sys, [listener]);
    const taken = takings.taken(before, [listener]);
    const [head = ""] = taken ? [] : host.waiting(listener);
    // Last of all that looks at it: what cannot be put right is closed and bound anew.
    host.repair(listener);
    if (!wasReady) {
      host.ended(endedTooSoon);
    } else if (leaving || taken) {
      stuck.forget(listener);
      host.ended(null);
    } else {
      // Unless it was closed just now.
      if (isBound(turn)) stuck.left(listener, head);
      host.ended("the handler took nothing from its socket");
    }
    host.rewatch();
  }

  function configured(): void {
    for (const turn of turns.values()) {
      if (isBound(turn) && !turn.leaving && !turn.frost.on) turn.idle.goOn();
    }
  }

  function save(carry: Carry): SavedWait {
    const listeners = host.listeners();
    return {
      turns: [...turns.values()].map((turn) => saveTurn(turn, listeners, carry)),
      takings: takings.save(),
      stuck: stuck.save(listeners),
    };
  }

  /** Doors are as they were: the program is the socket's own. Whoever is `leaving` opens his at his end, as always. */
  function restore(saved: SavedWait, { claim, handlers, listeners }: Restored): void {
    for (const { pid, listener, before, idle, frost, leaving, aged } of saved.turns) {
      const handler = restoredHandler(handlers, pid);
      const turn = newTurn(restoreListener(listener, listeners), handler, restoreWaited(before, listeners));
      turns.set(pid, turn);
      turn.leaving = leaving;
      turn.frost.restore(frost, [handler]);
      turn.idle.restore(idle, claim);
      if (aged !== null) turn.aged = resumeLeave(host, handler, leaveForAge(turn), aged);
    }
    takings.restore(saved.takings);
    stuck.restore(saved.stuck, listeners);
  }

  return {
    ...keepsNothing,
    // Who was let in cannot be put back into the kernel's queue, from which a handler takes everybody.
    receive: (incoming) => {
      for (const { fd } of incoming) host.sys.close(fd);
    },
    accepts: false,
    readable,
    holds: (listener) => [...turns.values()].some((turn) => turn.listener === listener && !turn.frost.on),
    closing,
    configured,
    gone,
    aged,
    save,
    restore: (saved, from) => restore(saved as SavedWait, from),
  };
}
