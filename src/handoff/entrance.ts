/**
 * `wake_on = "data"`: what was accepted over TCP waits here until its client has sent something, and only then comes to
 * its handoff. Whoever is waited for counts as if he were served (`max_instances`, the total of the daemon), so that
 * strangers who say nothing cannot use up its descriptors, and is refused under `timeout` after `first_byte_timeout`.
 *
 * A client that ends or resets without a word is closed without one: nothing was refused, and nobody ran. So is one
 * that half-closes, since a service for clients who wait to be spoken to is none that `wake_on = "data"` is for.
 */
import type { ServiceConfig } from "../config/config.ts";
import type { Carry } from "../native/carry.ts";
import type { Watch } from "../native/sys.ts";
import { READABLE } from "../native/sys.ts";
import { constant } from "../net/constants.ts";
import type { BoundListener } from "../net/listen.ts";
import type { Timer } from "../util/clock.ts";
import type { HandoffHost, Incoming, Restored } from "./handoff.ts";
import { restoreIncoming, type SavedIncoming, saveIncoming } from "./saved.ts";

type EntranceHost = Pick<
  HandoffHost,
  "config" | "sys" | "clock" | "keep" | "release" | "refuse" | "isStopped"
>;

export interface Entrance {
  /** Keeps the descriptors of what was accepted; gives those on whose clients need not be waited for. */
  take(arrived: readonly Incoming[]): void;
  /** Handlers may be started again, after a while in which they might not. */
  resume(): void;
  /** Gives up all that are here; the caller owns their descriptors. */
  surrender(): Incoming[];
  /** How many are waited for. */
  size(): number;
  /** Closes all that are here: the service is stopped. */
  close(): void;
  /** @param listeners those that are bound, in their order */
  save(carry: Carry, listeners: readonly BoundListener[]): SavedEntrance;
  /** Takes up what `save` has said; the host counts them already. To be called before anything else. */
  restore(saved: SavedEntrance, from: Pick<Restored, "claim" | "listeners">): void;
}

/** Those who are here, as another process takes them up (an upgrade). */
export interface SavedEntrance {
  /** Each with the moment until which it is waited for. */
  silent: { incoming: SavedIncoming; deadline: number | null }[];
  ripe: SavedIncoming[];
}

/** Whether those who come to `listener` are to speak first. */
export function isForSpeakers({ wakeOn }: Pick<ServiceConfig, "wakeOn">, { kind }: BoundListener): boolean {
  return wakeOn === "data" && kind === "tcp";
}

interface Silent {
  incoming: Incoming;
  /** `null`: it is waited for without end. */
  deadline: number | null;
  watch: Watch;
  timer: Timer | null;
}

/**
 * @param next keeps the descriptors that it gets
 * @param mayServe whether somebody could serve who is given on; who speaks while nobody could stays until `resume`
 */
export function createEntrance(
  host: EntranceHost,
  next: (arrived: readonly Incoming[]) => void,
  mayServe: () => boolean,
): Entrance {
  const { sys, clock } = host;
  const silent = new Set<Silent>();
  /** They have spoken. */
  const ripe: Incoming[] = [];

  const waitsFor = (incoming: Incoming) =>
    isForSpeakers(host.config, incoming.listener) && !hasSpoken(incoming);
  const hasSpoken = ({ fd }: Incoming) => sys.ioctlInt(fd, constant(sys, "FIONREAD")) > 0;

  function wait(incoming: Incoming): void {
    host.keep();
    const { firstByteTimeout } = host.config;
    waitUntil(firstByteTimeout === null ? null : clock.now() + firstByteTimeout, incoming);
  }

  function waitUntil(deadline: number | null, incoming: Incoming): void {
    const watch = sys.watch(incoming.fd, () => stirred(one));
    const timer = deadline === null ? null : clock.after(deadline - clock.now(), () => isLate(one));
    const one: Silent = { incoming, deadline, watch, timer };
    silent.add(one);
    watch.start(READABLE);
  }

  function isLate(one: Silent): void {
    // It may have spoken in time while nobody looked, because we were about something else (an upgrade).
    if (hasSpoken(one.incoming)) {
      stirred(one);
      return;
    }
    stopWaiting(one);
    host.release(() => host.refuse(one.incoming, "timeout"));
  }

  /** It has sent something, or its end, or a reset. */
  function stirred(one: Silent): void {
    const { incoming } = one;
    stopWaiting(one);
    if (!hasSpoken(incoming)) host.release(() => sys.close(incoming.fd));
    else if (mayServe()) giveOn(incoming);
    else if (host.config.onLimit === "refuse" || host.isStopped())
      host.release(() => host.refuse(incoming, "error"));
    else ripe.push(incoming);
  }

  /** Let in as of now: from here on it is its server that it waits for. */
  function giveOn(incoming: Incoming): void {
    host.release(() => next([{ ...incoming, acceptedAt: clock.now() }]));
  }

  function stopWaiting(one: Silent): void {
    silent.delete(one);
    one.timer?.cancel();
    one.watch.close();
    // The watch has changed that, and it would be the handler's too.
    sys.setBlocking(one.incoming.fd, true);
  }

  function surrender(): Incoming[] {
    for (const one of [...silent]) {
      stopWaiting(one);
      ripe.push(one.incoming);
    }
    const all = ripe.splice(0);
    for (const _one of all) host.release(() => {});
    return all;
  }

  return {
    take(arrived) {
      const speaking: Incoming[] = [];
      for (const incoming of arrived) {
        if (waitsFor(incoming)) wait(incoming);
        else speaking.push(incoming);
      }
      if (speaking.length > 0) next(speaking);
    },
    resume() {
      while (ripe.length > 0 && mayServe()) {
        const [incoming] = ripe.splice(0, 1);
        if (incoming !== undefined) giveOn(incoming);
      }
    },
    size: () => silent.size + ripe.length,
    surrender,
    close() {
      for (const { fd } of surrender()) sys.close(fd);
    },
    save: (carry, listeners) => ({
      silent: [...silent].map(({ incoming, deadline }) => ({
        incoming: saveIncoming(incoming, listeners, carry),
        deadline,
      })),
      ripe: ripe.map((incoming) => saveIncoming(incoming, listeners, carry)),
    }),
    restore(saved, from) {
      for (const { incoming, deadline } of saved.silent) waitUntil(deadline, restoreIncoming(incoming, from));
      ripe.push(...saved.ripe.map((incoming) => restoreIncoming(incoming, from)));
    },
  };
}
