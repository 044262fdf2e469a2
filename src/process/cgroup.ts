/**
 * `kill_mode = "tree"` with a cgroup v2 of the handler's own, which it is born in and which nothing that descends from
 * it leaves, however it forks: exact. (A handler that is root may move its processes elsewhere; a login session moves
 * to one of its own.)
 *
 * The members are in cgroup.procs, their end is announced by cgroup.events (`populated 0`), and cgroup.kill reaches all
 * of them and what they fork meanwhile, also frozen ones. cgroup.freeze holds them where they are, unnoticed by
 * themselves and their parents, and cgroup.events says when the last of them has come to rest (`frozen 1`).
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Sys } from "../native/sys.ts";
import { isSystemError } from "../native/sys.ts";
import type { Clock } from "../util/clock.ts";
import { awaken } from "./awakening.ts";
import type { CgroupHome } from "./cgroup-home.ts";
import { insist } from "./insist.ts";
import { cgroupOf } from "./proc.ts";
import { type SavableReach, stopSoon } from "./reach.ts";
import { signalByPid, stopSignals } from "./signal.ts";

/** POLLPRI, as uv_poll has it: the kernel's word for news in such a file (cgroups(7)). */
const prioritized = 8;

/** Signals go round until nobody new is found; a program that forks without end must not keep us here. */
const mostRounds = 10;

export interface SavedCgroup {
  kind: "cgroup";
  directory: string;
  frozen: boolean;
  /** A stop that those who were frozen have still to be awake for. */
  unsent: number | null;
  /** SIGKILL has still to be sent. */
  unkilled: boolean;
}

export class Cgroup implements SavableReach<SavedCgroup> {
  readonly #sys: Sys;
  readonly #clock: Clock;
  readonly #home: CgroupHome;
  readonly #directory: string;
  /** Or about to be. */
  #frozen: boolean;
  #unsent: number | null;
  #unkilled: boolean;
  /** Gives up waiting for the freeze. */
  #giveUp = () => {};

  /**
   * Takes care of `directory`, which `home` has made, and removes it at the end.
   * @param saved by another process image of ours, of this directory
   */
  constructor(sys: Sys, clock: Clock, home: CgroupHome, directory: string, saved: SavedCgroup | null = null) {
    this.#sys = sys;
    this.#clock = clock;
    this.#home = home;
    this.#directory = directory;
    this.#frozen = saved?.frozen ?? false;
    this.#unsent = stopSoon(clock, saved, (signal) => this.stop(signal));
    this.#unkilled = saved?.unkilled ?? false;
    if (this.#unkilled) clock.after(0, () => this.kill());
  }

  save(): SavedCgroup {
    return {
      kind: "cgroup",
      directory: this.#directory,
      frozen: this.#frozen,
      unsent: this.#unsent,
      unkilled: this.#unkilled,
    };
  }

  freeze(done: (frozen: boolean) => void): void {
    this.#frozen = true;
    try {
      writeFileSync(join(this.#directory, "cgroup.freeze"), "1");
      this.#giveUp = this.#awaitEvent("frozen 1", () => done(true));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      done(false);
    }
  }

  thaw(): void {
    if (!this.#frozen) return;
    this.#giveUp();
    this.#frozen = false;
    insist(this.#clock, () => {
      // It may have been frozen once more, if this comes late.
      if (!this.#frozen) ifThere(() => writeFileSync(join(this.#directory, "cgroup.freeze"), "0"));
    });
  }

  stop(signal: number): void {
    this.#unsent = signal;
    const send = () =>
      insist(this.#clock, () => {
        this.#signal(stopSignals(signal));
        this.#unsent = null;
      });
    insist(this.#clock, () => {
      if (this.#frozen) awaken(this.#clock, processesIn(this.#directory), () => this.thaw(), send);
      else send();
    });
  }

  kill(): void {
    this.#unkilled = true;
    insist(this.#clock, () => {
      ifThere(() => writeFileSync(join(this.#directory, "cgroup.kill"), "1"));
      this.#unkilled = false;
    });
  }

  ended(_stopping: boolean, onGone: () => void): void {
    this.#giveUp();
    // Mostly it is empty, and then this one call is all.
    if (isRemoved(this.#directory)) onGone();
    else insist(this.#clock, () => this.#await(onGone));
  }

  #signal(signals: readonly number[]): void {
    const name = this.#home.nameOf(this.#directory);
    const isMember = (pid: number) => `${cgroupOf(pid) ?? ""}/`.startsWith(`${name}/`);
    const done = new Set<number>();
    for (let round = 0; round < mostRounds; round++) {
      const fresh = processesIn(this.#directory).filter((pid) => !done.has(pid));
      if (fresh.length === 0) return;
      for (const pid of fresh) {
        done.add(pid);
        signalByPid(this.#sys, pid, signals, () => isMember(pid));
      }
    }
  }

  #await(onGone: () => void): void {
    this.#awaitEvent("populated 0", () => {
      this.#home.remove(this.#directory);
      onGone();
    });
  }

  /** Calls back once, when cgroup.events says so, perhaps before this returns. @returns gives up waiting */
  #awaitEvent(news: string, callback: () => void): () => void {
    const events = openSync(join(this.#directory, "cgroup.events"), "r");
    if (says(events, news)) {
      closeSync(events);
      callback();
      return () => {};
    }
    // What has come after the file was read is news to the watch.
    const watch = this.#sys.watch(events, () => {
      if (!says(events, news)) return;
      close();
      callback();
    });
    watch.start(prioritized);
    let open = true;
    const close = () => {
      if (!open) return;
      open = false;
      watch.close();
      closeSync(events);
    };
    return close;
  }
}

function says(events: number, news: string): boolean {
  const text = Buffer.alloc(256);
  return text.toString("latin1", 0, readSync(events, text, 0, text.length, 0)).includes(news);
}

/** Those of the cgroups that the handler has made in its own too. */
function processesIn(directory: string): number[] {
  const pids: number[] = [];
  ifThere(() => {
    for (const line of readFileSync(join(directory, "cgroup.procs"), "latin1").split("\n")) {
      // 0 is one that our pid namespace does not show.
      if (Number(line) > 0) pids.push(Number(line));
    }
  });
  ifThere(() => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) pids.push(...processesIn(join(directory, entry.name)));
    }
  });
  return pids;
}

/** A cgroup may be removed while it is looked at, and a threaded one lists its processes further up (EOPNOTSUPP). */
function ifThere(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!isSystemError(error) || !["ENOENT", "ENODEV", "EOPNOTSUPP"].includes(error.code)) throw error;
  }
}

function isRemoved(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    return isSystemError(error) && error.code === "ENOENT";
  }
}
