/**
 * What a way of handing over decides: when something waits at a listener, who is started or told, and with which
 * descriptors and variables. The start itself is the same for all (`service/launcher.ts`), and so is what happens to a
 * handler afterwards (`service/handler.ts`): a handoff asks its service for both.
 */
import type { ServiceConfig } from "../config/config.ts";
import type { RefusalReason } from "../log/events.ts";
import type { Carry, Saved } from "../native/carry.ts";
import type { Fd, PeerCredentials, SocketAddress, Sys } from "../native/sys.ts";
import type { Bytes, HeldConnection, OnEnd, WatchedEnd } from "../net/ends.ts";
import type { BoundListener } from "../net/listen.ts";
import type { SpawnFailure } from "../process/child.ts";
import type { Clock } from "../util/clock.ts";
import type { Result } from "../util/result.ts";
import type { Traffic } from "./traffic.ts";
import type { UdpPeers } from "./udp-peers.ts";

/** One way of handing over, at work for one service. */
export interface Handoff {
  /** Whether tinetd accepts the connections, and so knows each of them. */
  readonly accepts: boolean;
  /** Something waits at `listener`, which is watched at this moment. */
  readable(listener: BoundListener): void;
  /** Whether the handoff itself has `listener` left alone for now (because a handler has it). */
  holds(listener: BoundListener): boolean;
  /** Whether who waits at the twin of `listener` is to wait until the workers that there are have gone. */
  holdsTwin(listener: BoundListener): boolean;
  /** Whether `listener` is watched even while nobody new may come in: what is for those who are in comes there too. */
  readsOn(listener: BoundListener): boolean;
  /** Somebody new may come in, perhaps after a while in which nobody might. */
  resume(): void;
  /** What `host.config` says may be otherwise from now on: what waits for a moment by it is to wait for the new one. */
  configured(): void;
  /** A worker is to run although nobody is there: it is to be seen whether it gets ready. */
  warm(): void;
  /** Another way of starting workers is in force: those that run get nobody new, and end with their last connection. */
  retire(): void;
  /** Gives up those who were let in and wait to be served: whoever succeeds it has them. The caller owns them. */
  surrender(): Incoming[];
  /** Those that the one before it has surrendered. Keeps the descriptors. */
  receive(incoming: readonly Incoming[]): void;
  /** The same of those who have been counted and logged as let in, and have no worker: for another of its kind. */
  surrenderClients(): Client[];
  /** Those that the one before it, of the same kind, has surrendered. Keeps them. */
  receiveClients(clients: readonly Client[]): void;
  /** `listener`, which is of this service, is about to be closed. */
  closing(listener: BoundListener): void;
  /** How many connections a worker has; `null` where nobody but the worker knows. */
  connectionsOf(handler: HandlerRef): number | null;
  /** Those that it has let in for workers, each with the worker that has it, or had; `null` while none does. */
  connections(): Iterable<readonly [Connection, Pick<HandlerRef, "pid"> | null]>;
  /** A worker that was started with `launch` can serve now. */
  ready(handler: HandlerRef): void;
  /**
   * A handler that was started with `launch` has ended, and nothing that is to end with it is left.
   * `failed`: with another status than 0, or by a signal.
   */
  gone(handler: HandlerRef, failed: boolean): void;
  /** The `max_lifetime` of a handler that was started with `launch` is over. */
  aged(handler: HandlerRef): void;
  /**
   * All that it knows of those who are there, for another process that goes on in its place (an upgrade). Changes
   * nothing: it is asked once to see whether the other can read it, and once more if so; and it may be that even then
   * nothing comes of it. What a start or a look needs anew anyhow (a timer's next look, a question that is under way)
   * is not part of it.
   */
  save(carry: Carry): Saved;
  /**
   * Takes up what `save` has said. Called once, before anything else but its creation; nobody is told of anything, but
   * handlers that have ended meanwhile are announced by `gone` later, as any. Nothing may be read, written or accepted
   * before this returns: should another part fail, the process that was there before goes on with all of it.
   */
  restore(saved: Saved, from: Restored): void;
}

/** What is there already when a handoff is restored. */
export interface Restored {
  claim: Carry;
  /** The handlers of its generation that were there; none is missing. By pid. */
  handlers: ReadonlyMap<number, RestoredHandler>;
  /** Those that are bound, as `listeners()` had them. */
  listeners: readonly BoundListener[];
}

export interface RestoredHandler extends HandlerRef {
  /** The connection that it was started for. */
  readonly connection: Connection | null;
}

/** Of a handoff that keeps nothing of what came by a listener: all that waits, waits in the kernel. */
export const keepsNothing: Pick<
  Handoff,
  | "readsOn"
  | "resume"
  | "configured"
  | "closing"
  | "ready"
  | "aged"
  | "connectionsOf"
  | "connections"
  | "warm"
  | "retire"
  | "surrender"
  | "surrenderClients"
  | "receiveClients"
  | "holdsTwin"
> = {
  aged: (handler) => handler.stop("max_lifetime"),
  holdsTwin: () => false,
  connectionsOf: () => null,
  connections: () => [],
  ready: () => {},
  readsOn: () => false,
  resume: () => {},
  configured: () => {},
  warm: () => {},
  retire: () => {},
  surrender: () => [],
  surrenderClients: () => [],
  receiveClients: () => {},
  closing: () => {},
};

/** What is wrong with a worker that ended before it was ready. */
export const endedTooSoon = "the worker ended before it was ready";

/** A handler as a handoff sees it. */
export interface HandlerRef {
  readonly pid: number;
  /** It has got a connection. */
  worked(): void;
  /** Its last connection has ended. */
  rested(): void;
  /** It says in the way of its handoff that it is ready. */
  saysReady(): void;
  /** Whether it has ever been ready: one that ends before counts as a failed start. */
  readonly wasReady: boolean;
  /** It was told to end, and has not yet. */
  readonly isStopping: boolean;
  stop(reason: string): void;
  /**
   * Holds it where it is, with all that a stop would reach. It has been ready.
   * @param onSettled called at most once, perhaps before this returns: with `true` when nothing of it runs any more,
   * with `false` if that could not be had and it goes on. Not called if it is thawed or stopped before.
   */
  freeze(onSettled: (frozen: boolean) => void): void;
  /** It goes on, if it was frozen or about to be. */
  thaw(): void;
}

/** What a service does for its handoff. Its methods need it: none is to be taken out of it. */
export interface HandoffHost {
  readonly config: ServiceConfig;
  readonly sys: Sys;
  readonly clock: Clock;
  /** Whether listeners may be looked at: false once a limit, a pause or a failure has come in between. */
  mayGoOn(): boolean;
  /** Whether a worker may be started for those who are in: not while starts fail, nor when the service is stopped. */
  mayStart(): boolean;
  /** Whether the service was stopped: nothing that is waited for will come. */
  isStopped(): boolean;
  /**
   * The first rule that keeps a connection out, or `null`.
   * @param pending how many were let in and have no handler yet
   */
  admit(pending: number): RefusalReason | null;
  /** How many more may be accepted now; unlimited where clients are refused at a limit. */
  room(): number;
  /**
   * One that was let in stays where it is before it is served (entrance.ts): until `release` it counts as an instance,
   * and in the total.
   */
  keep(): void;
  /** It does not any more. `then` says what becomes of it, before its room is given to others. */
  release(then: () => void): void;
  /** A number that no connection had before. */
  nextConnection(): number;
  /**
   * Starts handlers, all at once. Success and failure are counted, logged and, where starts keep failing, waited upon.
   * @returns in the order of `requests`, each on its own
   */
  launch(requests: readonly LaunchRequest[]): Result<HandlerRef, SpawnFailure>[];
  /** Ends the connection with its `refusal`, counted under `reason`. Keeps the descriptor. */
  refuse(incoming: Incoming, reason: RefusalReason, error?: string): void;
  /** The same for a datagram, which has no descriptor and gets no answer; the addresses in canonical form. */
  turnAway(remote: string, local: string, reason: RefusalReason, error?: string): void;
  /** Accepting has failed for want of descriptors or memory: nothing is accepted for a moment. */
  shortage(): void;
  /** Runs `action` once more with reserved descriptors free, after it failed for want of one. */
  lend<T>(action: () => T): T;
  /** The listener is of no use any more: it is closed and bound anew. */
  broken(listener: BoundListener, reason: string): void;

  /** The UDP peers of the service, whichever generation serves them. */
  readonly peers: UdpPeers;

  // For the handoffs in which a worker serves many connections that tinetd has accepted.
  /** A connection was let in: counted and logged. */
  opened(connection: Connection): void;
  /**
   * It has ended, or its worker has, which `error` then says; `worker` is `null` if it never came to one.
   * @param bytes what it carried, where tinetd has relayed it; `null` leaves that to `connection.end`
   */
  closed(connection: Connection, worker: Pick<HandlerRef, "pid"> | null, bytes: Bytes, error?: string): void;
  /** It was let in, and then cannot be served: ended with its `refusal`, counted under `reason`. Keeps the descriptor. */
  dismiss(connection: Connection, fd: Fd, reason: RefusalReason, error: string): void;
  /** Watches for the end of a connection that others will hold. To be called while we have the descriptor too. */
  watchEnd(connection: HeldConnection, onEnd: OnEnd): WatchedEnd;
  /** Goes on watching for the end of a connection by what its `WatchedEnd` has saved. */
  resumeEnd(saved: Saved, onEnd: OnEnd): WatchedEnd;

  // For the handoffs in which handlers accept by themselves.
  /** All listeners of the service that are bound, in the order declared. */
  listeners(): readonly BoundListener[];
  /** What `holds` says has changed. */
  rewatch(): void;
  /**
   * Whether nobody is connected to `listeners` nor about to be, as far as the kernel can tell, and `workers` have not
   * stirred since the last time where there are no connections to count.
   */
  isQuiet(listeners: readonly BoundListener[], workers: readonly HandlerRef[]): boolean;
  /** The same without a look at the workers: whether they have stirred says nothing of those that are frozen. */
  isDeserted(listeners: readonly BoundListener[]): boolean;
  /** How long each TCP connection at the service's listeners has carried nothing, in milliseconds, by SO_COOKIE. */
  tcpIdleMs(): ReadonlyMap<string, number>;
  /** The TCP connections at these local ports, by SO_COOKIE; `null` if the kernel cannot tell. */
  livingTcp(ports: readonly number[]): ReadonlySet<string> | null;
  /** Whether each Unix socket has another end, by SO_COOKIE; `null` likewise. */
  livingUnix(): ReadonlyMap<string, boolean> | null;
  /** Names of what waits at a listener, each the same for as long as it waits. */
  waiting(listener: BoundListener): readonly string[];
  /** How many they are, where that is much easier to know than their names (TCP); else `null`. */
  queueLength(listener: BoundListener): number | null;
  /** Puts right what a handler has done to a socket that it shared with us. */
  repair(listener: BoundListener): void;
  /** A handler has ended: `failure` says in which way it was as good as none, which counts as a failed start. */
  ended(failure: string | null): void;
  /** Takes the first datagram away and reports its size and sender. */
  dropDatagram(listener: BoundListener, reason: string): void;
}

/** An accepted connection while its descriptor is still ours. */
export interface Incoming {
  fd: Fd;
  listener: BoundListener;
  /** As plain IPv4 where it is. */
  remote: SocketAddress;
  local: SocketAddress;
  /** Of a Unix peer. */
  credentials: PeerCredentials | null;
  /** Unique over restarts of the code (upgrades), never reused. */
  id: number;
  /** Milliseconds on the monotonic clock. */
  acceptedAt: number;
}

/** An accepted connection that is let in, and that no worker has yet. Owns the descriptor. */
export interface Client {
  readonly incoming: Incoming;
  readonly connection: Connection;
}

/** What is remembered of a connection once its descriptor was handed over. */
export interface Connection {
  readonly id: number;
  /** Canonical: `tcp://203.0.113.7:51324`; for a Unix peer without a name `unix:pid=812,uid=1000`. */
  readonly remote: string;
  readonly local: string;
  readonly acceptedAt: number;
  /** Counted on the way where tinetd relays; `null` where it does not. */
  readonly traffic: Readonly<Traffic> | null;
  /** Tells what it has carried where the kernel counts. */
  readonly end: WatchedEnd | null;
}

/** What one start is asked for. */
export interface LaunchRequest {
  arrange: Arrange;
  /** Of a handler that is started for one. */
  connection: Opening | null;
}

/** A connection that becomes one when its handler runs: what nobody needs before is not what a client waits for. */
export interface Opening {
  /** Of the connection. */
  readonly id: number;
  /** Called once, when the handler runs, and while its descriptor is still ours. Not if it could not be started. */
  remember(): Connection;
}

/** What one start gets, beside the plan of its service. */
export interface Start {
  /** Position n is the handler's descriptor n. Borrowed for the spawn. */
  descriptors: readonly Fd[];
  /** `NAME=value`. */
  variables: readonly string[];
}

/** Says what a start gets, once it is known where the standard descriptors go. */
export type Arrange = (standard: StandardDescriptors) => Start;

/** What the descriptors 0 to 2 of a handler are where they are not the connection. */
export interface StandardDescriptors {
  /** /dev/null, for reading and writing. */
  nothing: Fd;
  /** Where `stderr` goes; `"connection"` with `stderr = "socket"`. */
  stderr: Fd | "connection";
  /** Variables that the service sets itself: those of the connection do not override them. */
  chosen: ReadonlySet<string>;
}

/** Starts a single handler. */
export function launchOne(
  host: Pick<HandoffHost, "launch">,
  arrange: Arrange,
  connection: Opening | null,
): Result<HandlerRef, SpawnFailure> {
  const [started] = host.launch([{ arrange, connection }]);
  if (started === undefined) throw new Error("a start without an outcome");
  return started;
}
