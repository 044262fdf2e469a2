/** Where a daemon listens that is connected to: its address as declared, and what that is on this machine. */

import { isIP } from "node:net";
import type { Fd, SocketAddress, Sys } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { Endpoint } from "./address.ts";
import { type ConnectWorld, connectFirst } from "./connect.ts";
import { resolveEndpoint, systemResolver } from "./resolve.ts";

export type TargetWorld = ConnectWorld & {
  sys: Pick<Sys, "socket" | "servicePort" | "interfaceIndex">;
};

export class Target {
  readonly #world: TargetWorld;
  readonly #endpoint: Endpoint;
  /** A name is looked up by the first who connects, and kept. */
  #addresses: readonly SocketAddress[] | null;

  constructor(world: TargetWorld, endpoint: Endpoint) {
    this.#world = world;
    this.#endpoint = endpoint;
    this.#addresses = literal(endpoint);
  }

  /** A name may stand for another address by now: it is looked up again. */
  refresh(): void {
    this.#addresses = literal(this.#endpoint);
  }

  /**
   * Tries once, at all its addresses.
   * @param done gets the connected descriptor, which is the caller's, or why there is none (an errno's name, or a
   *   sentence about the name); may be called before this returns
   * @returns gives up: `done` is not called any more
   */
  connect(timeoutMs: number, done: (outcome: Result<Fd, string>) => void): () => void {
    if (this.#addresses !== null) return connectFirst(this.#world, this.#addresses, timeoutMs, done);
    let stop: (() => void) | null = null;
    let stopped = false;
    void this.#lookUp().then((found) => {
      if (stopped) return;
      if (found.ok) stop = connectFirst(this.#world, found.value, timeoutMs, done);
      else done(found);
    });
    return () => {
      stopped = true;
      stop?.();
    };
  }

  async #lookUp(): Promise<Result<readonly SocketAddress[], string>> {
    const endpoint = this.#endpoint;
    if (endpoint.kind !== "tcp" && endpoint.kind !== "udp") return err("it is no address to connect to");
    const resolved = await resolveEndpoint(endpoint, systemResolver(this.#world.sys));
    if (!resolved.ok) return resolved;
    this.#addresses = resolved.value.map(({ address }) => address);
    return ok(this.#addresses);
  }
}

/** What needs no look-up. */
function literal(endpoint: Endpoint): readonly SocketAddress[] | null {
  if (endpoint.kind === "unix") return [{ family: "unix", path: endpoint.path }];
  if (endpoint.kind !== "tcp" || endpoint.family !== "any" || typeof endpoint.port !== "number") return null;
  const { host, port } = endpoint;
  switch (isIP(host ?? "")) {
    case 4:
      return [{ family: "inet", address: host ?? "", port }];
    case 6:
      return host?.includes("%") ? null : [{ family: "inet6", address: host ?? "", port, scope: 0 }];
    default:
      return null;
  }
}
