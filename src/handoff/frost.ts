/**
 * `on_idle = "freeze"`: idle workers that are held where they are, from the decision until somebody comes or
 * `max_frozen` is over. Whoever uses this watches for the one and looks after the other; here is the way in between,
 * the same for a single worker and for several that share their sockets.
 *
 * A freeze takes a moment, in which the workers may still take what comes. So once all of them stand still the owner
 * looks again (`settled`): whoever has come meanwhile is with a worker that cannot answer, or waits.
 */
import type { Timer } from "../util/clock.ts";
import type { HandlerRef, HandoffHost } from "./handoff.ts";

export interface FrostEvents {
  /** All stand still. */
  settled(): void;
  /** One of them cannot be frozen: all go on. */
  failed(): void;
  /** They have been frozen for `max_frozen`. Told again after as long, should they stay so. */
  expired(): void;
}

export interface Frost {
  /** Whether workers are frozen, or about to be. */
  readonly on: boolean;
  /** All of these have been ready. */
  begin(workers: readonly HandlerRef[]): void;
  /** All go on. */
  thaw(): void;
  /** One has ended, or was told to: nothing is to be done for it any more. */
  leave(worker: HandlerRef): void;
  /** For `restore` in another process (an upgrade). */
  save(): SavedFrost;
  /**
   * Goes on with what `save` has said: who stood still does so, until `max_frozen` is over as it was. For those who were
   * on their way the freeze begins anew in a later turn, after a thaw: nobody knows any more how far it had come.
   * @param workers among whom are those that were frozen
   */
  restore(saved: SavedFrost, workers: readonly HandlerRef[]): void;
}

export interface SavedFrost {
  /** Pids of those that are frozen or about to be. */
  frozen: number[];
  /** Those of them that do not stand still yet. */
  moving: number[];
  /** When `max_frozen` is over, on the monotonic clock. */
  expiresAt: number | null;
}

export function createFrost(host: Pick<HandoffHost, "config" | "clock">, events: FrostEvents): Frost {
  const { clock } = host;
  const frozen = new Set<HandlerRef>();
  const moving = new Set<HandlerRef>();
  let timer: Timer | null = null;
  let expiresAt: number | null = null;

  function begin(workers: readonly HandlerRef[]): void {
    for (const worker of workers) {
      frozen.add(worker);
      moving.add(worker);
    }
    bringToRest(workers);
  }

  function bringToRest(workers: Iterable<HandlerRef>): void {
    for (const worker of workers) {
      // One that cannot be frozen has put an end to it.
      if (frozen.has(worker)) worker.freeze((done) => cameToRest(worker, done));
    }
  }

  function cameToRest(worker: HandlerRef, done: boolean): void {
    if (done) {
      moving.delete(worker);
      if (moving.size === 0) settled();
    } else {
      thaw();
      events.failed();
    }
  }

  function settled(): void {
    expireLater();
    events.settled();
  }

  function expireLater(): void {
    const { maxFrozen } = host.config;
    if (maxFrozen !== null) expireAt(clock.now() + maxFrozen);
  }

  function expireAt(at: number): void {
    expiresAt = at;
    timer = clock.after(Math.max(0, at - clock.now()), () => {
      expiresAt = null;
      expireLater();
      events.expired();
    });
  }

  function thaw(): void {
    const workers = [...frozen];
    end();
    for (const worker of workers) worker.thaw();
  }

  function leave(worker: HandlerRef): void {
    if (!frozen.delete(worker)) return;
    if (frozen.size === 0) end();
    else if (moving.delete(worker) && moving.size === 0) settled();
  }

  function end(): void {
    timer?.cancel();
    timer = null;
    expiresAt = null;
    frozen.clear();
    moving.clear();
  }

  function save(): SavedFrost {
    const pids = (some: Iterable<HandlerRef>) => [...some].map(({ pid }) => pid);
    return { frozen: pids(frozen), moving: pids(moving), expiresAt };
  }

  function restore(saved: SavedFrost, workers: readonly HandlerRef[]): void {
    for (const pid of saved.frozen) {
      const worker = workers.find((each) => each.pid === pid);
      if (worker === undefined) throw new Error(`worker ${pid}, which is frozen, is not there`);
      frozen.add(worker);
      if (saved.moving.includes(pid)) moving.add(worker);
    }
    if (moving.size > 0) timer = clock.after(0, beginAgain);
    else if (saved.expiresAt !== null) expireAt(saved.expiresAt);
  }

  function beginAgain(): void {
    timer = null;
    const again = [...moving];
    for (const worker of again) worker.thaw();
    bringToRest(again);
  }

  return {
    get on() {
      return frozen.size > 0;
    },
    begin,
    thaw,
    leave,
    save,
    restore,
  };
}
