/** Tells when connections end whose descriptors others hold, and what they have carried. */
import type { Carry, Saved } from "../native/carry.ts";
import type { Fd, SocketAddress, Sys } from "../native/sys.ts";
import type { Clock } from "../util/clock.ts";
import type { DestroyedSys } from "./destroyed.ts";
import type { DiagSys } from "./diag.ts";
import { type SavedTcpEnd, type SavedTcpEnds, TcpEnds } from "./tcp-ends.ts";
import { type SavedUnixEnd, UnixEnds } from "./unix-ends.ts";

/** Payload bytes of a TCP connection, as the one who accepted it sees them; `null` where the kernel keeps none. */
export type Bytes = { received: number; sent: number } | null;
export type OnEnd = (bytes: Bytes) => void;

/** A connection that is about to be somebody else's. */
export interface HeldConnection {
  /** Ours as well, still; borrowed. */
  fd: Fd;
  /** As accept and getsockname tell them. */
  local: SocketAddress;
  remote: SocketAddress;
}

/** A connection whose end is watched for. */
export interface WatchedEnd {
  /** Gives up. */
  forget(): void;
  /** Whether the kernel has told of its end. */
  isOver(): boolean;
  /**
   * Its holder has closed it, or has gone. Tells what it has carried, once: at once where that is known or never will be,
   * else when the client has taken leave too, or when all has been said and it still has not after a second. Of what
   * takes longer to send than half a minute, tells how much it was by then.
   */
  settle(tell: OnEnd): void;
  /** For `Ends.resume` in another process. */
  save(): Saved;
}

/** All of it but the connections, which have their own. */
export interface SavedEnds {
  tcp: SavedTcpEnds;
}

export class Ends {
  readonly #tcp: TcpEnds;
  readonly #unix: UnixEnds;

  /**
   * @param diag a NETLINK_SOCK_DIAG socket, borrowed
   * @param saved what another process had
   */
  constructor(
    sys: Sys & DestroyedSys & DiagSys,
    clock: Clock,
    diag: Fd,
    saved: { state: SavedEnds; claim: Carry } | null = null,
  ) {
    this.#tcp = new TcpEnds(
      sys,
      clock,
      diag,
      saved === null ? null : { state: saved.state.tcp, claim: saved.claim },
    );
    this.#unix = new UnixEnds(sys, clock, diag);
  }

  /** @param onEnd the kernel has seen its end, before anybody waits for it with `settle` */
  watch(connection: HeldConnection, onEnd: OnEnd): WatchedEnd {
    const { local } = connection;
    return local.family === "unix"
      ? this.#unix.watch(connection.fd, onEnd)
      : this.#tcp.watch(connection, local.port, onEnd);
  }

  /** Goes on by what a `WatchedEnd` of another process has saved. */
  resume(saved: Saved, onEnd: OnEnd): WatchedEnd {
    const one = saved as SavedTcpEnd | SavedUnixEnd;
    return "local" in one ? this.#tcp.resume(one, onEnd) : this.#unix.resume(one, onEnd);
  }

  save(carry: Carry): SavedEnds {
    return { tcp: this.#tcp.save(carry) };
  }

  close(): void {
    this.#tcp.close();
    this.#unix.close();
  }
}
