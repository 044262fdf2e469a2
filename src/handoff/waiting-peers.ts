/**
 * UDP peers who have no handler yet, in the order in which they came, each with its datagrams: the backlog that a UDP
 * socket does not have. It cannot be left to the kernel while others are being served, because one queue holds the
 * datagrams of all. Bounded in number and bytes, and for each peer, so that one cannot take the room of the others.
 */
import { bytesToText, textToBytes } from "../native/carry.ts";
import { type Route, routeKey } from "../net/datagram.ts";
import type { BoundListener } from "../net/listen.ts";
import { restoreListener, type SavedListener, saveListener } from "./saved.ts";

/** Somebody who sends datagrams to one of our addresses. */
export interface Peer {
  /** `routeKey` of the two below. */
  readonly key: string;
  readonly listener: BoundListener;
  readonly route: Route;
}

export interface WaitingPeer extends Peer {
  datagrams: Uint8Array[];
}

export interface SavedPeer {
  listener: SavedListener;
  route: Route;
}

export interface SavedWaitingPeer extends SavedPeer {
  /** As `bytesToText` has them. */
  datagrams: string[];
}

/** @param listeners those that are bound, in their order */
export function savePeer({ listener, route }: Peer, listeners: readonly BoundListener[]): SavedPeer {
  return { listener: saveListener(listener, listeners), route };
}

export function restorePeer({ listener, route }: SavedPeer, listeners: readonly BoundListener[]): Peer {
  const found = restoreListener(listener, listeners);
  return { key: routeKey(found, route), listener: found, route };
}

/** How many datagrams there may be, and how many bytes in them: together, and of one peer. */
export interface Room {
  datagrams: number;
  bytes: number;
  datagramsPerPeer: number;
  bytesPerPeer: number;
}

/** What one peer may have fits into the queue of a flow, where it goes when its turn has come. */
const defaultRoom: Room = {
  datagrams: 1024,
  bytes: 1024 * 1024,
  datagramsPerPeer: 64,
  bytesPerPeer: 64 * 1024,
};

export class WaitingPeers {
  readonly #room: Room;
  /** A map keeps its order. */
  readonly #peers = new Map<string, WaitingPeer>();
  #datagrams = 0;
  #bytes = 0;

  constructor(room: Room = defaultRoom) {
    this.#room = room;
  }

  has(key: string): boolean {
    return this.#peers.has(key);
  }

  /** Copies `data`. `false`: there is no room. */
  add(peer: Peer, data: Uint8Array): boolean {
    const { datagrams, bytes, datagramsPerPeer, bytesPerPeer } = this.#room;
    const own = this.#peers.get(peer.key)?.datagrams ?? [];
    if (this.#datagrams >= datagrams || this.#bytes + data.length > bytes) return false;
    if (own.length >= datagramsPerPeer || sizeOf(own) + data.length > bytesPerPeer) return false;
    own.push(Uint8Array.from(data));
    if (own.length === 1) this.#peers.set(peer.key, { ...peer, datagrams: own });
    this.#count([data], 1);
    return true;
  }

  /**
   * Takes what had its turn already and comes back, whatever the room is: it was within the bounds of a flow. The peer
   * is the last in the line, and what it has sent since comes after.
   */
  putBack(peer: WaitingPeer): void {
    const since = this.#peers.get(peer.key)?.datagrams ?? [];
    this.#peers.delete(peer.key);
    this.#peers.set(peer.key, { ...peer, datagrams: [...peer.datagrams, ...since] });
    this.#count(peer.datagrams, 1);
  }

  /** The one that has waited for longest. */
  shift(): WaitingPeer | null {
    for (const peer of this.#peers.values()) return this.#take(peer);
    return null;
  }

  /** All who wait at `listener`. */
  remove(listener: BoundListener): WaitingPeer[] {
    return [...this.#peers.values()]
      .filter((peer) => peer.listener === listener)
      .map((peer) => this.#take(peer));
  }

  /** In their order. @param listeners those that are bound, in theirs */
  save(listeners: readonly BoundListener[]): SavedWaitingPeer[] {
    return Array.from(this.#peers.values(), (peer) => ({
      ...savePeer(peer, listeners),
      datagrams: peer.datagrams.map(bytesToText),
    }));
  }

  restore(saved: readonly SavedWaitingPeer[], listeners: readonly BoundListener[]): void {
    for (const { datagrams, ...peer } of saved) {
      this.putBack({ ...restorePeer(peer, listeners), datagrams: datagrams.map(textToBytes) });
    }
  }

  #take(peer: WaitingPeer): WaitingPeer {
    this.#peers.delete(peer.key);
    this.#count(peer.datagrams, -1);
    return peer;
  }

  #count(datagrams: readonly Uint8Array[], sign: 1 | -1): void {
    this.#datagrams += sign * datagrams.length;
    this.#bytes += sign * sizeOf(datagrams);
  }
}

function sizeOf(datagrams: readonly Uint8Array[]): number {
  return datagrams.reduce((sum, { length }) => sum + length, 0);
}
