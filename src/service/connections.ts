/** What a service says and counts of its connections, from being let in or turned away to their end. */
import type { ServiceConfig } from "../config/config.ts";
import { peerName, remember } from "../handoff/accept.ts";
import type { Connection, Incoming } from "../handoff/handoff.ts";
import { restoreConnection, type SavedConnection, saveConnection } from "../handoff/saved.ts";
import { describeTraffic } from "../handoff/traffic.ts";
import type { RefusalReason } from "../log/events.ts";
import type { Saved } from "../native/carry.ts";
import type { Fd } from "../native/sys.ts";
import type { Bytes, OnEnd } from "../net/ends.ts";
import type { BoundListener } from "../net/listen.ts";
import { unmap } from "../net/peer.ts";
import type { Counters } from "./counters.ts";
import type { World } from "./world.ts";

/** How a connection ended, as far as it is known. */
export interface ConnectionEnd {
  /** Who had it; `null` if it never came to anybody. */
  pid: number | null;
  /** Of a handler that had only this one. */
  code: number | null;
  /** By name. */
  signal: string | null;
  /** `null` leaves it to `end` of the connection to tell. */
  bytes: Bytes;
  /** What went wrong. */
  error?: string;
}

/** One that has ended, of which it is not known yet what it has carried. */
interface Settling {
  connection: Connection;
  end: ConnectionEnd;
  durationMs: number;
}

export interface SavedConnections {
  open: number;
  kept: number;
  settling: { connection: SavedConnection; end: ConnectionEnd; durationMs: number }[];
}

export class Connections {
  readonly #world: World;
  #config: ServiceConfig;
  readonly #counters: Counters;
  #refusal: Uint8Array;
  #open = 0;
  #whenNone: (() => void)[] = [];
  #kept = 0;
  readonly #settling = new Set<Settling>();

  constructor(world: World, config: ServiceConfig, counters: Counters) {
    this.#world = world;
    this.#config = config;
    this.#counters = counters;
    this.#refusal = Buffer.from(config.refusal ?? "");
  }

  /** From now on. */
  configure(config: ServiceConfig): void {
    this.#config = config;
    this.#refusal = Buffer.from(config.refusal ?? "");
  }

  /** How many are in. */
  get open(): number {
    return this.#open;
  }

  /** Resolves when none is open. */
  async whenNone(): Promise<void> {
    if (this.#open > 0) await new Promise<void>((resolve) => this.#whenNone.push(resolve));
  }

  /** How many were let in and are not served yet. */
  get kept(): number {
    return this.#kept;
  }

  keep(): void {
    this.#kept += 1;
    this.#world.total.add();
  }

  release(): void {
    this.#kept -= 1;
    this.#world.total.remove();
  }

  opened({ id, remote, local }: Connection): void {
    this.#open += 1;
    this.#world.total.add();
    this.#counters.accepted += 1;
    const { name: service } = this.#config;
    this.#world.emit({ event: "connection.accepted", service, connection: id, remote, local });
  }

  /** Makes room for another at once; the event comes when it is known what this one has carried. */
  closed(connection: Connection, end: ConnectionEnd): void {
    const durationMs = Math.round(this.#world.clock.now() - connection.acceptedAt);
    this.#left();
    if (connection.end === null || end.bytes !== null) this.#sayClosed(connection, end, durationMs);
    else this.#settle({ connection, end, durationMs });
  }

  #settle(settling: Settling): void {
    const { connection, end, durationMs } = settling;
    this.#settling.add(settling);
    connection.end?.settle((bytes) => {
      this.#settling.delete(settling);
      this.#sayClosed(connection, { ...end, bytes }, durationMs);
    });
  }

  save(): SavedConnections {
    const settling = [...this.#settling].map(({ connection, ...rest }) => ({
      connection: saveConnection(connection),
      ...rest,
    }));
    return { open: this.#open, kept: this.#kept, settling };
  }

  /** Those that are open are their handoffs' to restore; here they are only counted. */
  restore({ open, kept, settling }: SavedConnections): void {
    const { ends, clock, total } = this.#world;
    this.#open = open;
    this.#kept = kept;
    for (let count = open + kept; count > 0; count--) total.add();
    const host = { resumeEnd: (saved: Saved, onEnd: OnEnd) => ends.resume(saved, onEnd) };
    const restored = settling.map(({ connection, ...rest }) => ({
      connection: restoreConnection(connection, host, () => {}),
      ...rest,
    }));
    // What is known already is said at once.
    clock.after(0, () => {
      for (const one of restored) this.#settle(one);
    });
  }

  #left(): void {
    this.#open -= 1;
    this.#world.total.remove();
    if (this.#open === 0) for (const resolve of this.#whenNone.splice(0)) resolve();
  }

  #sayClosed(connection: Connection, end: ConnectionEnd, durationMs: number): void {
    const { pid, code, signal, bytes, error } = end;
    const { traffic } = connection;
    this.#counters.bytesIn += traffic?.bytesIn ?? bytes?.received ?? 0;
    this.#counters.bytesOut += traffic?.bytesOut ?? bytes?.sent ?? 0;
    this.#world.emit({
      event: "connection.closed",
      service: this.#config.name,
      connection: connection.id,
      pid,
      remote: connection.remote,
      code,
      signal,
      duration_ms: durationMs,
      ...(bytes === null ? {} : { bytes_in: bytes.received, bytes_out: bytes.sent }),
      ...(traffic === null ? {} : describeTraffic(traffic)),
      ...(error === undefined ? {} : { error }),
    });
  }

  /** Ends an accepted connection with the service's `refusal`. Keeps the descriptor. */
  refuse(incoming: Incoming, reason: RefusalReason, error?: string): void {
    const { remote, local } = remember(incoming);
    const why = error === undefined ? undefined : `cannot start "${this.#config.name}": ${error}`;
    this.turnAway(remote, local, reason, why);
    this.#world.farewells.say(incoming.fd, this.#refusal);
  }

  /** The same for one that had been let in, and then could not be served. */
  dismiss({ id, remote, local }: Connection, fd: Fd, reason: RefusalReason, error: string): void {
    this.turnAway(remote, local, reason, error, id);
    this.#world.farewells.say(fd, this.#refusal);
    this.#left();
  }

  /** Somebody was not let in, and there is nothing to close. */
  turnAway(remote: string, local: string, reason: RefusalReason, error?: string, connection?: number): void {
    const { refused } = this.#counters;
    refused[reason] = (refused[reason] ?? 0) + 1;
    this.#world.emit({
      event: "connection.refused",
      service: this.#config.name,
      ...(connection === undefined ? {} : { connection }),
      reason,
      remote,
      local,
      ...(error === undefined ? {} : { error }),
    });
  }

  /** Takes away the first datagram that waits at a listener. */
  dropDatagram(listener: BoundListener, why: string): void {
    const { sys } = this.#world;
    const message = sys.receiveMessage(listener.fd, Buffer.alloc(65_536));
    if (message === null) return;
    for (const fd of message.fds) sys.close(fd);
    const { canonical: local, kind } = listener;
    const remote = message.from === null ? local : peerName(kind, unmap(message.from));
    this.turnAway(remote, local, "error", `datagram of ${message.length} bytes dropped: ${why}`);
  }
}
