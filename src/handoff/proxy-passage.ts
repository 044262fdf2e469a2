/**
 * The way of a client to the daemon behind `proxy`: connected (upstream.ts), then relayed (relays.ts), behind a header
 * that says who the client is where the daemon wants one.
 */
import type { Fd } from "../native/sys.ts";
import { formatEndpoint } from "../net/address.ts";
import { proxyHeader } from "../net/proxy-header.ts";
import type { Result } from "../util/result.ts";
import type { Client, HandoffHost } from "./handoff.ts";
import { openSocket, type ProxyLine } from "./proxy-line.ts";
import type { ProxyWorker } from "./proxy-worker.ts";
import type { Relays } from "./relays.ts";
import { createUpstream } from "./upstream.ts";

export interface Passage {
  /** A daemon is about to be started. */
  prepare(): void;
  /** Keeps the client, who is back in the line if his daemon goes meanwhile. */
  connect(client: Client, to: ProxyWorker): void;
  /**
   * The same for one who was being connected by the process that was here before (an upgrade), in a later turn and with
   * all the patience of a first time: what was under way has ended with that.
   */
  connectAgain(client: Client, to: ProxyWorker): void;
}

export function createPassage(host: HandoffHost, line: ProxyLine, relays: Relays): Passage {
  const { sys, clock } = host;
  const { upstream: endpoint, upstreamProxyProtocol: headerVersion } = host.config;
  if (endpoint === null) throw new Error(`"${host.config.name}" has no upstream`);
  const where = formatEndpoint(endpoint);
  const upstream = createUpstream({ sys, clock, openSocket: (domain) => openSocket(host, domain) }, endpoint);

  function attempt(client: Client, to: ProxyWorker): void {
    const giveUp = upstream.connect((outcome) => connected(client, to, outcome));
    if (to.connecting.has(client)) to.connecting.set(client, giveUp);
  }

  function connected(client: Client, to: ProxyWorker, outcome: Result<Fd, string>): void {
    to.connecting.delete(client);
    if (!outcome.ok && to.ref.isStopping) line.add(client);
    else if (!outcome.ok) fail(client, outcome.error);
    else relay(client, to, outcome.value);
    to.rest();
  }

  function relay(client: Client, to: ProxyWorker, fd: Fd): void {
    const { remote, local } = client.incoming;
    const header = headerVersion === null ? null : proxyHeader(headerVersion, remote, local);
    const begun = relays.begin(client, fd, to.ref, header);
    if (!begun.ok) {
      fail(client, begun.error);
      return;
    }
    to.served = true;
    to.relayed += 1;
  }

  function fail({ connection, incoming }: Client, why: string): void {
    host.dismiss(connection, incoming.fd, "error", `cannot connect to ${where}: ${why}`);
  }

  return {
    prepare: () => upstream.prepare(),
    connect(client, to) {
      to.work();
      // Known before it is tried: it may come out at once.
      to.connecting.set(client, () => {});
      attempt(client, to);
    },
    connectAgain(client, to) {
      const timer = clock.after(0, () => attempt(client, to));
      to.connecting.set(client, () => timer.cancel());
    },
  };
}
