/**
 * The UDP peers of a service, as all of its generations share them (stdio-udp.ts): a socket is one queue for all peers,
 * and only the present generation reads it. So who is served goes on with his handler after a reload too, and who waits
 * gets one of the new.
 */
import type { BoundListener } from "../net/listen.ts";
import type { Flow } from "./flow.ts";
import { WaitingPeers } from "./waiting-peers.ts";

export class UdpPeers {
  /** Those who take datagrams, by `routeKey`. */
  readonly #flows = new Map<BoundListener, Map<string, Flow>>();
  readonly waiting = new WaitingPeers();
  /** Whether the present generation serves UDP peers. */
  readonly isServed: () => boolean;

  constructor(isServed: () => boolean) {
    this.isServed = isServed;
  }

  /** Whether anybody is served at `listener`. */
  hasAny(listener: BoundListener): boolean {
    return this.#flows.has(listener);
  }

  find(listener: BoundListener, key: string): Flow | undefined {
    return this.#flows.get(listener)?.get(key);
  }

  add(flow: Flow): void {
    const { key, listener } = flow.peer;
    const peers = this.#flows.get(listener);
    if (peers === undefined) this.#flows.set(listener, new Map([[key, flow]]));
    else peers.set(key, flow);
  }

  /** @returns whether it was the last at its listener */
  remove(flow: Flow): boolean {
    const { key, listener } = flow.peer;
    const peers = this.#flows.get(listener);
    if (peers?.get(key) !== flow) return false;
    peers.delete(key);
    return peers.size === 0 && this.#flows.delete(listener);
  }

  /** All at a listener that is about to be closed. */
  clear(listener: BoundListener): void {
    this.#flows.delete(listener);
  }
}
