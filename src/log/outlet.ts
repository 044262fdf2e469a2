/**
 * The destination of the log where it may become another while the daemon runs: what is written from then on goes to the
 * next, and the one before is closed when it has taken what it was given.
 */
import type { Destination, Entry } from "./destination.ts";

export class Outlet implements Destination {
  #current: Destination;
  /** Those on their way out, each with what its `close` will say. */
  readonly #leaving = new Map<Destination, Promise<boolean>>();
  /** What those that have gone had dropped. */
  #lost = 0;
  /** A thread waits in write(2) for one that has gone. */
  #stuck = false;

  /** Keeps `first`. */
  constructor(first: Destination) {
    this.#current = first;
  }

  /** Keeps `next`. */
  replace(next: Destination): void {
    const previous = this.#current;
    this.#current = next;
    const closed = previous.close().then((free) => {
      this.#leaving.delete(previous);
      this.#lost += previous.lost;
      this.#stuck ||= !free;
      return free;
    });
    this.#leaving.set(previous, closed);
  }

  write(entry: Entry): void {
    this.#current.write(entry);
  }

  get lost(): number {
    return [this.#current, ...this.#leaving.keys()].reduce((sum, { lost }) => sum + lost, this.#lost);
  }

  reopen(): void {
    this.#current.reopen();
  }

  flush(): Promise<boolean> {
    return this.#all(this.#current.flush());
  }

  close(): Promise<boolean> {
    return this.#all(this.#current.close());
  }

  async #all(current: Promise<boolean>): Promise<boolean> {
    const free = await Promise.all([current, ...this.#leaving.values()]);
    return !this.#stuck && free.every(Boolean);
  }
}
