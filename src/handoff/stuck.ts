/**
 * Datagrams that nobody takes: while one stands at the head of a socket nobody gets to those behind it, and it would
 * start handlers for ever. One that several handlers in a row have left is dropped.
 */
import type { BoundListener } from "../net/listen.ts";
import { takesDatagrams } from "../net/waiting.ts";
import type { HandoffHost } from "./handoff.ts";

/** After so many handlers that did not take it, a datagram is dropped. */
const mostTries = 3;

/** The datagram at the head of a socket, and how many handlers have left it there. */
interface Left {
  datagram: string;
  tries: number;
}

/** Each with the place of its listener among those that are bound. */
export type SavedStuck = [number, Left][];

export interface Stuck {
  /** A handler has left all that was there. @param head the name of the first; empty for none */
  left(listener: BoundListener, head: string): void;
  /** One has taken something, or there is nothing any more to take it from. */
  forget(listener: BoundListener): void;
  save(listeners: readonly BoundListener[]): SavedStuck;
  restore(saved: SavedStuck, listeners: readonly BoundListener[]): void;
}

export function createStuck(host: Pick<HandoffHost, "dropDatagram">): Stuck {
  const stuck = new Map<BoundListener, Left>();
  return {
    left(listener, datagram) {
      if (!takesDatagrams(listener.kind)) return;
      const before = stuck.get(listener);
      const tries = before?.datagram === datagram ? before.tries + 1 : 1;
      if (tries < mostTries) {
        stuck.set(listener, { datagram, tries });
        return;
      }
      stuck.delete(listener);
      host.dropDatagram(listener, `${mostTries} handlers have not taken it`);
    },
    forget: (listener) => void stuck.delete(listener),
    save: (listeners) =>
      listeners.flatMap((listener, place): SavedStuck => {
        const left = stuck.get(listener);
        return left === undefined ? [] : [[place, left]];
      }),
    restore(saved, listeners) {
      for (const [place, left] of saved) {
        const listener = listeners[place];
        if (listener === undefined) throw new Error(`listener ${place} of ${listeners.length} is not there`);
        stuck.set(listener, left);
      }
    },
  };
}
