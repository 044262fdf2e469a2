/**
 * A part of the daemon as if it were a process image of its own, in the process of the test: `end` ends what an exec
 * would, every descriptor, watch and relay of it, and nobody at the other end of a socket is told.
 */
import type { Fd, Relay, Sys, Watch } from "../../../src/native/sys.ts";
import { sys as real } from "../../native/support.ts";

export class Image {
  /** What is opened by this belongs to the image. */
  readonly sys: Sys;
  readonly #descriptors = new Set<Fd>();
  readonly #watches = new Set<Watch>();
  readonly #relays = new Set<Relay>();

  constructor() {
    this.sys = {
      ...real,
      socket: (...args) => this.own(real.socket(...args)),
      epoll: () => this.own(real.epoll()),
      sealedFile: (...args) => this.own(real.sealedFile(...args)),
      dup: (...args) => this.own(real.dup(...args)),
      close: (fd) => {
        this.#descriptors.delete(fd);
        real.close(fd);
      },
      watch: (...args) => {
        const watch = real.watch(...args);
        this.#watches.add(watch);
        return watch;
      },
      relay: (...args) => this.#relay(...args),
    };
  }

  /** Takes over a descriptor. */
  own(fd: Fd): Fd {
    this.#descriptors.add(fd);
    return fd;
  }

  end(): void {
    for (const relay of this.#relays) relay.detach();
    for (const watch of this.#watches) watch.close();
    for (const fd of this.#descriptors) real.close(fd);
    this.#descriptors.clear();
  }

  #relay(...[a, b, onEnd, options]: Parameters<Sys["relay"]>): Relay {
    const forget = () => {
      this.#relays.delete(relay);
      for (const fd of [a, b]) this.#descriptors.delete(fd);
    };
    const relay = real.relay(
      a,
      b,
      (end) => {
        forget();
        onEnd(end);
      },
      options,
    );
    this.#relays.add(relay);
    return {
      bytes: () => relay.bytes(),
      idleMs: () => relay.idleMs(),
      state: () => relay.state(),
      detach: () => relay.detach(),
      close: () => {
        forget();
        relay.close();
      },
    };
  }
}
