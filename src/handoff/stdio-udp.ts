/**
 * `stdio` on UDP: a handler for each peer, to which tinetd relays (flow.ts). A peer is an address and a port, and the
 * address of ours that it asked: who asks two of them has two handlers, and each answers from its own.
 *
 * The socket is one queue for all peers. So while anybody is served it is read on, whatever limit has been reached, and
 * who must wait for a handler waits here (waiting-peers.ts), within bounds, and beyond them is turned away under
 * `limit`. While nobody is served and nobody may come in, the socket is left alone, and the kernel's queue is what
 * people wait in, as for TCP.
 *
 * An empty datagram starts a flow and is passed on like any other. A handler cannot tell it from the end of file; if it
 * ends then, what came after goes to the next one.
 */
import type { RefusalReason } from "../log/events.ts";
import type { Carry } from "../native/carry.ts";
import { isSystemError } from "../native/sys.ts";
import { isShortage } from "../net/accept.ts";
import { formatSocketAddress } from "../net/address.ts";
import {
  askForDestinations,
  type Datagram,
  describeRoute,
  receiveDatagram,
  routeKey,
} from "../net/datagram.ts";
import type { BoundListener } from "../net/listen.ts";
import { failed, remember } from "./accept.ts";
import { Flow, type SavedFlow } from "./flow.ts";
import type { Handoff, HandoffHost, Incoming, Restored } from "./handoff.ts";
import { launchOne } from "./handoff.ts";
import { restoredHandler } from "./saved.ts";
import { startStdio } from "./stdio.ts";
import {
  type Peer,
  restorePeer,
  type SavedPeer,
  type SavedWaitingPeer,
  savePeer,
  type WaitingPeer,
} from "./waiting-peers.ts";

/** After so many datagrams in a row the other services get their turn. */
const datagramsPerTurn = 32;

/** The part of a handoff that is about its UDP listeners. */
export interface UdpRelay
  extends Pick<Handoff, "readable" | "readsOn" | "resume" | "retire" | "closing" | "gone"> {
  save(carry: Carry): SavedUdpRelay;
  restore(saved: SavedUdpRelay, from: Restored): void;
}

export interface SavedUdpRelay {
  /** They all have a handler, outside of `start`. */
  flows: { pid: number; peer: SavedPeer; state: SavedFlow }[];
  /** `null`: it has retired, and they are another's. */
  waiting: SavedWaitingPeer[] | null;
}

export function createUdpRelay(host: HandoffHost): UdpRelay {
  const { peers } = host;
  const { waiting } = peers;
  /** Of this generation, by the handler's pid: also flows that have been told the end. */
  const served = new Map<number, Flow>();
  /** Those that have been read. */
  const read = new Set<BoundListener>();
  let retired = false;

  /** Room is asked for too: after a reload a limit may have to be found out anew, and nobody is to pay for that. */
  const mayStart = () => host.mayGoOn() && host.room() > 0;
  const readsOn = (listener: BoundListener) => peers.hasAny(listener);

  function readable(listener: BoundListener): void {
    if (!read.has(listener)) askForDestinations(host.sys, listener);
    read.add(listener);
    for (let turn = 0; turn < datagramsPerTurn && (mayStart() || readsOn(listener)); turn++) {
      const datagram = receive(listener);
      if (datagram === null) return;
      const key = routeKey(listener, datagram);
      const flow = peers.find(listener, key);
      const { remote, asked, data } = datagram;
      if (flow === undefined) arrived({ key, listener, route: { remote, asked } }, data);
      else flow.give(data);
    }
  }

  /** `null`: nothing waits, or what is wrong has been seen to. */
  function receive(listener: BoundListener): Datagram | null {
    try {
      return receiveDatagram(host.sys, listener);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      // An error that was pending has stopped the watch.
      if (failed(host, listener, "read", error.code)) host.rewatch();
      return null;
    }
  }

  /** The first datagram of a peer, or a further one of a peer who waits. */
  function arrived(peer: Peer, data: Uint8Array): void {
    const objection = host.admit(0);
    if (waiting.has(peer.key) || !mayStart()) {
      if (!waiting.add(peer, data)) turnAway({ ...peer, datagrams: [data] }, objection ?? "limit");
    } else if (objection !== null) turnAway({ ...peer, datagrams: [data] }, objection);
    else start({ ...peer, datagrams: [data] });
  }

  function resume(): void {
    while (mayStart()) {
      const peer = waiting.shift();
      if (peer === null) return;
      const objection = host.admit(0);
      if (objection === null) start(peer);
      else turnAway(peer, objection);
    }
  }

  function turnAway(peer: WaitingPeer, reason: RefusalReason, error?: string): void {
    const { remote, local } = describeRoute(peer.listener, peer.route);
    for (const _ of peer.datagrams) {
      host.turnAway(formatSocketAddress("udp", remote), formatSocketAddress("udp", local), reason, error);
    }
  }

  function start(peer: WaitingPeer): void {
    const { listener, route, datagrams } = peer;
    const flow = open(peer);
    if (flow === null) return;
    // Known before the launch: that may reach the limit, and then the listener is watched for the sake of its flows.
    peers.add(flow);
    for (const data of datagrams) flow.give(data);
    const incoming: Incoming = {
      fd: flow.handlerEnd,
      listener,
      ...describeRoute(listener, route),
      credentials: null,
      id: host.nextConnection(),
      acceptedAt: host.clock.now(),
    };
    const started = launchOne(host, (standard) => startStdio(incoming, host.config.connectionFd, standard), {
      id: incoming.id,
      remember: () => ({ ...remember(incoming), traffic: flow.traffic, end: null }),
    });
    if (started.ok) {
      served.set(started.value.pid, flow);
      flow.serve(started.value);
      return;
    }
    const { stage, code } = started.error;
    forget(flow);
    const left = { ...peer, datagrams: flow.ended() };
    if (isShortage(code)) waiting.putBack(left);
    else turnAway(left, "error", `cannot start "${host.config.name}": ${stage}: ${code}`);
  }

  /** `null`: no descriptor is left, and the peer waits until some are. */
  function open(peer: WaitingPeer): Flow | null {
    try {
      return new Flow(host, peer, forget);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      waiting.putBack({ ...peer, datagrams: peer.datagrams.map((data) => Uint8Array.from(data)) });
      host.shortage();
      return null;
    }
  }

  /** The flow takes no more datagrams; the peer's next one starts another. */
  function forget(flow: Flow): void {
    if (peers.remove(flow)) host.rewatch();
  }

  function gone({ pid }: { pid: number }): void {
    const flow = served.get(pid);
    if (flow === undefined) return;
    served.delete(pid);
    forget(flow);
    const datagrams = flow.ended();
    if (datagrams.length > 0) waiting.putBack({ ...flow.peer, datagrams });
    if (retired) leave();
  }

  function retire(): void {
    retired = true;
    leave();
  }

  /** Who waits gets a handler of whoever is there now, if that one starts handlers for peers. */
  function leave(): void {
    if (peers.isServed()) return;
    for (let peer = waiting.shift(); peer !== null; peer = waiting.shift()) turnAway(peer, "limit");
  }

  function closing(listener: BoundListener): void {
    peers.clear(listener);
    read.delete(listener);
    for (const flow of served.values()) {
      if (flow.peer.listener === listener) flow.cut("its listener was closed");
    }
    for (const peer of waiting.remove(listener)) turnAway(peer, "limit");
  }

  function save(carry: Carry): SavedUdpRelay {
    const listeners = host.listeners();
    return {
      flows: Array.from(served, ([pid, flow]) => ({
        pid,
        peer: savePeer(flow.peer, listeners),
        state: flow.save(carry),
      })),
      waiting: retired ? null : waiting.save(listeners),
    };
  }

  function restore(saved: SavedUdpRelay, { claim, handlers, listeners }: Restored): void {
    for (const { pid, peer, state } of saved.flows) {
      const handler = restoredHandler(handlers, pid);
      const traffic = handler.connection?.traffic;
      if (traffic == null) throw new Error(`handler ${pid} serves a UDP peer, and nobody counts for it`);
      const flow = new Flow(host, restorePeer(peer, listeners), forget, { state, claim, handler, traffic });
      served.set(pid, flow);
      if (state.stop === null) peers.add(flow);
    }
    retired = saved.waiting === null;
    if (saved.waiting !== null) waiting.restore(saved.waiting, listeners);
  }

  return { readable, readsOn, resume, retire, closing, gone, save, restore };
}
