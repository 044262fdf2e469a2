/**
 * One image of a process, for tests of what goes along when it executes itself anew: several of them one after another
 * in one process. What ends with an image are its watches, its timers and its descriptors: those that it has carried
 * are the next one's by then, under other numbers.
 */
import type { Carry, Saved } from "../../src/native/carry.ts";
import type { Fd, Sys } from "../../src/native/sys.ts";
import { type Clock, systemClock } from "../../src/util/clock.ts";
import { sys as real } from "./support.ts";

export interface Image {
  sys: Sys;
  clock: Clock;
  carry: Carry;
  /** Nothing that it has waited for comes any more. Closes what it has watched or carried. */
  replace(): void;
}

export function newImage(): Image {
  const stops = new Set<() => void>();
  const owned = new Set<Fd>();
  const sys: Sys = {
    ...real,
    watch(fd, callback) {
      const watch = real.watch(fd, callback);
      owned.add(fd);
      const close = () => {
        owned.delete(fd);
        stops.delete(close);
        watch.close();
      };
      stops.add(close);
      return {
        start: (events) => watch.start(events),
        stop: () => watch.stop(),
        close,
        ref: () => watch.ref(),
        unref: () => watch.unref(),
      };
    },
  };
  const clock: Clock = {
    ...systemClock,
    after(delayMs, callback) {
      const timer = systemClock.after(delayMs, callback);
      stops.add(() => timer.cancel());
      return timer;
    },
  };
  return {
    sys,
    clock,
    carry(fd) {
      owned.add(fd);
      return real.dup(fd);
    },
    replace() {
      const fds = [...owned];
      for (const stop of stops) stop();
      for (const fd of fds) real.close(fd);
    },
  };
}

/** What another image reads of what one has saved. */
export function asRead<T extends Saved>(saved: T): T {
  return JSON.parse(JSON.stringify(saved)) as T;
}

/** The number that was saved is the next image's own. */
export const claim: Carry = (fd) => fd;
