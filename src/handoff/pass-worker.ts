/**
 * A worker of `pass`: its channel, the connections that it has, and what is known of it. What is to become of it is
 * decided by `pass-crew.ts`.
 */
import type { Carry, Saved } from "../native/carry.ts";
import type { BoundListener } from "../net/listen.ts";
import type { Channel } from "./channel.ts";
import { createFrost, type Frost, type SavedFrost } from "./frost.ts";
import type { HandlerRef, HandoffHost, Restored } from "./handoff.ts";
import type { Load } from "./pass-choice.ts";
import {
  closeCopy,
  type Passed,
  restorePassed,
  type SavedPassed,
  savePassed,
  type Unreceived,
} from "./pass-connection.ts";
import { Rest } from "./rest.ts";

export interface WorkerEvents {
  /** There is room in its channel again. */
  room(): void;
  /** It says that it has closed this one. */
  done(passed: Passed, worker: Worker): void;
  /** It has rested for `idle_timeout`. */
  idle(worker: Worker): void;
  /** It was to be frozen and cannot be: it goes on. */
  unfrozen(worker: Worker): void;
  /** It has been frozen for `max_frozen`. */
  frozenTooLong(worker: Worker): void;
}

export interface SavedWorker {
  pid: number;
  ready: boolean;
  blocked: boolean;
  replaced: boolean;
  aged: boolean;
  served: number;
  received: boolean;
  /** On the monotonic clock. */
  restingSince: number | null;
  open: SavedPassed[];
  channel: Saved;
  frost: SavedFrost;
}

export class Worker implements Load {
  ready = false;
  /** Its channel has no room for another message at the moment. */
  blocked = false;
  /** It was told to finish and go: it is not needed any more, has served enough, or the service is stopped. */
  replaced = false;
  /** Its `max_lifetime` is over: it finishes what it has. */
  aged = false;
  served = 0;
  /** It has received one at least. */
  received = false;
  readonly open = new Map<number, Passed>();
  readonly ref: HandlerRef;
  readonly channel: Channel;
  readonly frost: Frost;
  readonly #host: HandoffHost;
  readonly #events: WorkerEvents;
  /** While it has nothing to do: `idle` tells of the end of that. */
  readonly rest: Rest;

  /** @param channel keeps it */
  constructor(host: HandoffHost, ref: HandlerRef, channel: Channel, events: WorkerEvents) {
    this.#host = host;
    this.#events = events;
    this.ref = ref;
    this.channel = channel;
    this.rest = new Rest(
      host.clock,
      () => host.config.idleTimeout,
      () => events.idle(this),
    );
    this.frost = createFrost(host, {
      // Who comes, comes through us: nobody can have come meanwhile.
      settled: () => {},
      failed: () => events.unfrozen(this),
      expired: () => events.frozenTooLong(this),
    });
    channel.begin({
      received: (ids) => this.#hasReceived(ids),
      room: () => {
        this.blocked = false;
        events.room();
      },
      done: (id) => this.#isDone(id),
      ready: () => ref.saysReady(),
      broken: (reason) => ref.stop(reason),
    });
  }

  get frozen(): boolean {
    return this.frost.on;
  }

  get connections(): number {
    return this.open.size;
  }

  /** It has been told to end, by whomever. */
  get leaving(): boolean {
    return this.replaced || this.ref.isStopping;
  }

  /** It gets nothing new. */
  get retiring(): boolean {
    return this.leaving || this.aged;
  }

  /** @returns false if its channel has no room for it: then it is not this worker's */
  send(passed: Unreceived, message: string): boolean {
    const { id, fd } = passed.incoming;
    this.open.set(id, passed);
    if (!this.channel.send(id, fd, message)) {
      this.open.delete(id);
      this.blocked = true;
      return false;
    }
    passed.worker = this;
    this.served += 1;
    this.rest.end();
    this.frost.thaw();
    this.ref.worked();
    return true;
  }

  /** It has ended: takes in what it said before, and lets go of all that is held for it but its connections. */
  end(): void {
    this.rest.end();
    this.frost.leave(this.ref);
    this.channel.finish();
    this.channel.close();
  }

  /** @param listeners those that are bound, in their order */
  save(carry: Carry, listeners: readonly BoundListener[]): SavedWorker {
    const { ref, ready, blocked, replaced, aged, served, received } = this;
    return {
      pid: ref.pid,
      ready,
      blocked,
      replaced,
      aged,
      served,
      received,
      restingSince: this.rest.since,
      open: [...this.open.values()].map((passed) => savePassed(passed, listeners, carry)),
      channel: this.channel.save(carry),
      frost: this.frost.save(),
    };
  }

  /** Takes up what `save` has said but its channel, which it was made with. @param onEnd the kernel has seen its end */
  restore(saved: SavedWorker, from: Restored, onEnd: (passed: Passed) => void): void {
    const { restingSince, open, frost } = saved;
    this.ready = saved.ready;
    this.blocked = saved.blocked;
    this.replaced = saved.replaced;
    this.aged = saved.aged;
    this.served = saved.served;
    this.received = saved.received;
    for (const one of open) {
      const passed = restorePassed(one, this.#host, from, this, onEnd);
      this.open.set(passed.connection.id, passed);
    }
    if (restingSince !== null) this.rest.begin(restingSince);
    this.frost.restore(frost, [this.ref]);
  }

  /** It has them: our copies would only keep them from ending. */
  #hasReceived(ids: readonly number[]): void {
    this.received = true;
    for (const id of ids) {
      const passed = this.open.get(id);
      if (passed !== undefined) closeCopy(this.#host.sys, passed);
    }
  }

  /** It has room for another, while the kernel may still be at the end of this one. */
  #isDone(id: number): void {
    const passed = this.open.get(id);
    if (passed !== undefined) this.#events.done(passed, this);
  }
}
