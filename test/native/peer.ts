/** Whoever is at the other end of a relay: sends and receives at its own pace, and sums up what it has seen. */
import { createHash, type Hash, randomBytes, randomInt } from "node:crypto";
import {
  type Fd,
  READABLE,
  type Relay,
  type RelayEnd,
  type RelayOptions,
  type Watch,
  WRITABLE,
} from "../../src/native/sys.ts";
import { connectedPair, sys } from "./support.ts";

/** What went one way: as many bytes, and the same ones. */
export interface Sum {
  length: number;
  digest: string;
}

const noise = randomBytes(1 << 20);
const { SOL_SOCKET = 0, SO_LINGER = 0 } = sys.constants;

export class Peer implements Disposable {
  readonly fd: Fd;
  private readonly watch: Watch;
  private waiting: { events: number; wake: () => void }[] = [];
  private open = true;

  /** Keeps the descriptor. */
  constructor(fd: Fd) {
    this.fd = fd;
    sys.setBlocking(fd, false);
    this.watch = sys.watch(fd, (events, status) => {
      const woken = this.waiting.filter((one) => status < 0 || (one.events & events) !== 0);
      this.waiting = this.waiting.filter((one) => !woken.includes(one));
      this.listen();
      for (const { wake } of woken) wake();
    });
  }

  private listen(): void {
    const events = this.waiting.reduce((all, one) => all | one.events, 0);
    if (events === 0) this.watch.stop();
    else this.watch.start(events);
  }

  /** Resolves when any of the events holds. */
  until(events: number): Promise<void> {
    return new Promise((wake) => {
      this.waiting.push({ events, wake });
      this.listen();
    });
  }

  /** Waits for the next bytes; `null` at the end. Throws what read(2) fails with. */
  async read(size = 256 * 1024): Promise<Uint8Array | null> {
    const buffer = Buffer.alloc(size);
    for (;;) {
      const length = sys.read(this.fd, buffer);
      if (length !== null) return length === 0 ? null : buffer.subarray(0, length);
      await this.until(READABLE);
    }
  }

  /** Everything up to the end of file. @param pause before each piece */
  async readAll(size?: number, pause?: () => Promise<void>): Promise<Sum> {
    const sum = new Summing();
    for (;;) {
      await pause?.();
      const bytes = await this.read(size);
      if (bytes === null) return sum.result();
      sum.add(bytes);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      const count = sys.sendMessage(this.fd, rest);
      if (count === null) await this.until(WRITABLE);
      else rest = rest.subarray(count);
    }
  }

  /** As many random bytes, in pieces of random size. */
  async writeRandom(total: number, most = 256 * 1024): Promise<Sum> {
    const sum = new Summing();
    for (let left = total; left > 0; ) {
      const length = Math.min(left, randomInt(1, most + 1));
      const start = randomInt(noise.length - Math.min(length, noise.length - 1));
      const bytes = noise.subarray(start, start + length);
      await this.write(bytes);
      sum.add(bytes);
      left -= bytes.length;
    }
    return sum.result();
  }

  /** Sends as long as there is room in the socket. */
  fill(): number {
    let total = 0;
    for (;;) {
      const count = sys.sendMessage(this.fd, noise);
      if (count === null) return total;
      total += count;
    }
  }

  end(): void {
    sys.shutdown(this.fd, "write");
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.watch.close();
    sys.close(this.fd);
  }

  /** Closes with a reset, if it is TCP. */
  reset(): void {
    sys.setsockopt(this.fd, SOL_SOCKET, SO_LINGER, new Uint8Array(new Int32Array([1, 0]).buffer));
    this.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

class Summing {
  private readonly hash: Hash = createHash("sha1");
  private length = 0;

  add(bytes: Uint8Array): void {
    this.hash.update(bytes);
    this.length += bytes.length;
  }

  result(): Sum {
    return { length: this.length, digest: this.hash.digest("hex") };
  }
}

export type Kind = "tcp" | "unix";

/** A connection whose `near` end is for a relay; the peer has the other. */
export async function connection(kind: Kind): Promise<{ near: Fd; peer: Peer }> {
  if (kind === "unix") {
    const [near, far] = sys.socketpair("stream");
    return { near, peer: new Peer(far) };
  }
  const { client, server } = await connectedPair();
  return { near: server, peer: new Peer(client) };
}

export interface Relayed extends Disposable {
  a: Peer;
  b: Peer;
  relay: Relay;
  end: Promise<RelayEnd>;
}

/** A relay between two peers, all of which ends with the scope. */
export async function relayed(a: Kind, b: Kind, options?: RelayOptions): Promise<Relayed> {
  const [toA, toB] = [await connection(a), await connection(b)];
  const { relay, end } = beginRelay(toA.near, toB.near, options);
  return {
    a: toA.peer,
    b: toB.peer,
    relay,
    end,
    [Symbol.dispose]() {
      relay.close();
      toA.peer.close();
      toB.peer.close();
    },
  };
}

export function beginRelay(a: Fd, b: Fd, options?: RelayOptions): { relay: Relay; end: Promise<RelayEnd> } {
  let onEnd: (end: RelayEnd) => void = () => {};
  const end = new Promise<RelayEnd>((resolve) => {
    onEnd = resolve;
  });
  return { relay: sys.relay(a, b, (result) => onEnd(result), options), end };
}
