/**
 * The channel to a `pass` worker: connections go out, each in one message with its descriptor; `done` and `ready` come
 * back. Two protocols, one interface. Our copy of a connection is kept until the worker has *received* it: a worker
 * that dies before loses nobody.
 */
import type { Carry, Saved } from "../native/carry.ts";
import type { Fd, PeerCredentials, SocketAddress, Sys } from "../native/sys.ts";
import type { Incoming } from "./handoff.ts";

/** One of the two protocols. */
export interface ChannelKind {
  /** Variables that tell the worker where its end is: it is descriptor 3. */
  readonly variables: readonly string[];
  /** A new one, with the end that is to be the worker's; the caller owns it. */
  create(sys: Sys): { channel: Channel; theirs: Fd };
  /** Goes on with what `Channel.save` has said in another process. To be given its events, as a new one. */
  restore(sys: Sys, saved: Saved, claim: Carry): Channel;
}

export interface Channel {
  /** Ids of the connections that were sent and not yet received, oldest first. */
  readonly outstanding: readonly number[];
  /** Tells what comes from now on, what has come already in a later turn. Called once, before anything else. */
  begin(events: ChannelEvents): void;
  /**
   * Sends a connection. Borrows its descriptor; a copy of it is to be kept until `received` tells of it.
   * @returns false if the channel is full: the connection is not sent
   */
  send(id: number, fd: Fd, message: string): boolean;
  /** The worker has ended: takes in what it said before, and with that which connections it had received. */
  finish(): void;
  /**
   * No more will be sent: the worker reads end of file behind the last message, finishes what it has and exits. What it
   * says until then is still heard.
   */
  end(): void;
  /** Closes our end: the worker reads end of file, finishes what it has and exits. */
  close(): void;
  /** All that is known on our side, for `ChannelKind.restore`: what is under way stands in the socket. Changes nothing. */
  save(carry: Carry): Saved;
}

export interface ChannelEvents {
  /** The worker has the connections of these ids now: our copies may be closed. */
  received(ids: readonly number[]): void;
  /** There is room again after a `send` that did not fit. */
  room(): void;
  /** The worker says that it has closed this connection. */
  done(id: number): void;
  /** The worker says that it is ready. */
  ready(): void;
  /** The worker has closed its end, or sends what nobody can read. */
  broken(reason: string): void;
}

/** Longer messages are not made: addresses and names are bounded. What a worker sends is cut there. */
export const longestMessage = 4096;

/** What a worker is told of a connection, on one line. */
export function connectionMessage(service: string, incoming: Incoming): string {
  const { id, listener, remote, local, credentials } = incoming;
  return JSON.stringify({
    v: 1,
    id,
    service,
    listener: listener.name,
    remote: describe(remote),
    local: describe(local),
    ...(credentials === null ? {} : { credentials: plain(credentials) }),
  });
}

function describe(address: SocketAddress): object {
  switch (address.family) {
    case "unix":
      return { family: "unix", path: address.path };
    case "inet":
      return { family: "inet", address: address.address, port: address.port };
    case "inet6": {
      const { address: text, port, scope } = address;
      return { family: "inet6", address: text, port, ...(scope === 0 ? {} : { scope }) };
    }
  }
}

function plain({ pid, uid, gid }: PeerCredentials): PeerCredentials {
  return { pid, uid, gid };
}

/** What a worker may say. */
export type WorkerMessage = { type: "done"; id: number } | { type: "ready" };

/** `null` for JSON that is nothing we know; `undefined` for what is no JSON object at all. */
export function parseWorkerMessage(text: string): WorkerMessage | null | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { done, ready } = value as { done?: unknown; ready?: unknown };
  if (typeof done === "number" && Number.isSafeInteger(done)) return { type: "done", id: done };
  return ready === true ? { type: "ready" } : null;
}
