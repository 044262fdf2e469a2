/**
 * Who waits for the daemon behind `proxy`, in line (held.ts), and what becomes of those for whom none comes in time or
 * at all. All of them have been counted and logged as let in.
 */
import type { Carry } from "../native/carry.ts";
import { type Domain, type Fd, isSystemError } from "../native/sys.ts";
import { isShortage } from "../net/accept.ts";
import { remember } from "./accept.ts";
import type { Client, HandoffHost, Restored } from "./handoff.ts";
import { Held } from "./held.ts";
import { restoreIncoming, type SavedIncoming, saveIncoming } from "./saved.ts";

type Host = Pick<
  HandoffHost,
  "config" | "sys" | "clock" | "closed" | "dismiss" | "lend" | "listeners" | "mayGoOn" | "shortage"
>;

/** As another process takes them up (an upgrade), in their order. */
export type SavedLine = SavedIncoming[];

export class ProxyLine {
  readonly #host: Host;
  readonly #held: Held;

  constructor(host: Host) {
    const { sys, clock } = host;
    this.#host = host;
    this.#held = new Held(sys, clock, () => host.config.startTimeout, {
      left({ incoming, connection }) {
        sys.close(incoming.fd);
        host.closed(connection, null, null, "the client went away before the worker was ready");
      },
      late({ incoming, connection }) {
        host.dismiss(connection, incoming.fd, "timeout", "the worker was not ready within start_timeout");
      },
    });
  }

  get size(): number {
    return this.#held.size;
  }

  clients(): Iterable<Client> {
    return this.#held.clients();
  }

  /** Keeps the client. */
  add(client: Client): void {
    try {
      this.#held.add(client, openSocket(this.#host, "unix"));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.#host.dismiss(client.connection, client.incoming.fd, "error", error.code);
    }
  }

  /** The first, who is the caller's. */
  shift(): Client | null {
    return this.#held.shift();
  }

  /** All of them, in their order, one by one. The caller owns them. */
  *surrender(): Iterable<Client> {
    for (let client = this.shift(); client !== null; client = this.shift()) yield client;
  }

  /** No daemon will come: they are refused. */
  turnAway(why: string): void {
    for (const { connection, incoming } of this.surrender()) {
      this.#host.dismiss(connection, incoming.fd, "error", why);
    }
  }

  /** The service is stopped. */
  close(): void {
    for (const { connection, incoming } of this.surrender()) {
      this.#host.sys.close(incoming.fd);
      this.#host.closed(connection, null, null, "the service was stopped before the worker was ready");
    }
  }

  save(carry: Carry): SavedLine {
    const listeners = this.#host.listeners();
    return [...this.clients()].map(({ incoming }) => saveIncoming(incoming, listeners, carry));
  }

  /** Takes up what `save` has said. Who had to be served by a certain moment still has to. */
  restore(saved: SavedLine, from: Restored): void {
    for (const one of saved) this.#held.add(restoreClient(one, from), this.#reserve());
  }

  /** As one who joins the line gets it, but that nobody is troubled who has none to spare. */
  #reserve(): Fd | null {
    try {
      return this.#host.sys.socket("unix", "stream");
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return null;
    }
  }
}

/** What is remembered of a connection follows from what it was accepted as. */
export function restoreClient(saved: SavedIncoming, from: Restored): Client {
  const incoming = restoreIncoming(saved, from);
  return { incoming, connection: remember(incoming) };
}

/**
 * A stream socket; from the common reserve of descriptors, where there is no other any more: whoever was let in is served.
 * @throws a system error
 */
export function openSocket(host: Pick<Host, "sys" | "lend" | "mayGoOn" | "shortage">, domain: Domain): Fd {
  const { sys } = host;
  try {
    return sys.socket(domain, "stream");
  } catch (error) {
    if (!isSystemError(error) || !isShortage(error.code)) throw error;
  }
  if (host.mayGoOn()) host.shortage();
  return host.lend(() => sys.socket(domain, "stream"));
}
