/**
 * Whose notification it is: the kernel says which process has sent it, /proc whose descendant that is. Only the
 * worker's own processes speak for it.
 */

import type { Carry } from "../native/carry.ts";
import type { Sys } from "../native/sys.ts";
import { type Notification, NotifySocket, type SavedNotifySocket } from "../process/notify.ts";
import { readProcess } from "../process/proc.ts";

export interface Notified {
  notified(notification: Notification): void;
}

/** No worker has a tree this deep between itself and the one who notifies. */
const mostGenerations = 64;

export class Notifications {
  readonly #sys: Sys;
  readonly #workers = new Map<number, Notified>();
  #socket: NotifySocket | null = null;

  constructor(sys: Sys) {
    this.#sys = sys;
  }

  /** For NOTIFY_SOCKET; the socket is made when the first worker needs it. */
  get address(): string {
    this.#socket ??= new NotifySocket(this.#sys, (pid, notification) => this.#received(pid, notification));
    return this.#socket.address;
  }

  add(pid: number, worker: Notified): void {
    this.#workers.set(pid, worker);
  }

  remove(pid: number): void {
    this.#workers.delete(pid);
  }

  /** `null`: no worker has needed it yet. */
  save(carry: Carry): SavedNotifySocket | null {
    return this.#socket?.save(carry) ?? null;
  }

  /** What has come since another process has saved it is read then. */
  restore(saved: SavedNotifySocket | null, claim: Carry): void {
    if (saved === null) return;
    const received = (pid: number, notification: Notification) => this.#received(pid, notification);
    this.#socket = new NotifySocket(this.#sys, received, { state: saved, claim });
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }

  #received(sender: number, notification: Notification): void {
    const worker = this.#workerOf(sender);
    if (worker !== undefined) this.#workers.get(worker)?.notified(notification);
  }

  /** The worker itself, one of its session, or one that descends from it. */
  #workerOf(sender: number): number | undefined {
    if (this.#workers.has(sender)) return sender;
    let pid = sender;
    for (let generation = 0; generation < mostGenerations && pid > 1; generation++) {
      const entry = readProcess(pid);
      if (entry === null) return undefined;
      if (this.#workers.has(entry.session)) return entry.session;
      if (this.#workers.has(entry.parent)) return entry.parent;
      pid = entry.parent;
    }
    return undefined;
  }
}
