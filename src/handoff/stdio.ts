/**
 * `stdio`: one handler per connection, which is its 0 and 1, as inetd's nowait has it. With `connection_fd = 3` the
 * connection is 3, as systemd's Accept=yes has it; then 1 goes where 2 goes, so that nothing said is lost.
 */
import type { Fd } from "../native/sys.ts";
import type { WatchedEnd } from "../net/ends.ts";
import { connectionVariables } from "../net/peer.ts";
import type { SpawnFailure } from "../process/child.ts";
import type { Result } from "../util/result.ts";
import { acceptWaiting, remember } from "./accept.ts";
import { createEntrance, type SavedEntrance } from "./entrance.ts";
import type { HandlerRef, Handoff, HandoffHost, Incoming, StandardDescriptors, Start } from "./handoff.ts";
import { keepsNothing } from "./handoff.ts";
import { type SavedDisconnects, watchDisconnects } from "./stdio-disconnect.ts";
import { type SavedStdioIdle, watchStdioIdle } from "./stdio-idle.ts";
import type { SavedUdpRelay, UdpRelay } from "./stdio-udp.ts";

interface SavedStdio {
  entrance: SavedEntrance;
  idle: SavedStdioIdle[];
  disconnects: SavedDisconnects[];
  relay: SavedUdpRelay;
}

/** A service may have stream and UDP listeners at once; `relay` has the latter. */
export function createStdio(host: HandoffHost, relay: UdpRelay): Handoff {
  const { connectionFd } = host.config;
  const idle = watchStdioIdle(host);
  const disconnects = watchDisconnects(host);
  const serve = (arrived: readonly Incoming[]) => {
    const ends: (WatchedEnd | null)[] = arrived.map(() => null);
    const opened = (incoming: Incoming, index: number) => {
      // Of a Unix connection nobody counts the bytes, and its handler's end is its end.
      const end = isTcp(incoming) ? host.watchEnd(incoming, () => {}) : null;
      ends[index] = end;
      return remember(incoming, end);
    };
    const started = host.launch(
      arrived.map((incoming, index) => ({
        arrange: (standard) => startStdio(incoming, connectionFd, standard),
        connection: { id: incoming.id, remember: () => opened(incoming, index) },
      })),
    );
    arrived.forEach((incoming, index) => {
      settle(incoming, ends[index] ?? null, started[index]);
    });
  };
  const settle = (
    incoming: Incoming,
    end: WatchedEnd | null,
    started: Result<HandlerRef, SpawnFailure> | undefined,
  ) => {
    if (started?.ok === true) {
      idle.add(incoming, incoming.fd, started.value);
      disconnects.add(incoming, end, started.value);
      host.sys.close(incoming.fd);
    } else {
      host.refuse(incoming, "error", `${started?.error.stage}: ${started?.error.code}`);
    }
  };
  const entrance = createEntrance(host, serve, () => host.mayStart());
  return {
    ...keepsNothing,
    ...relay,
    accepts: true,
    surrender: entrance.surrender,
    receive: entrance.take,
    // The service knows them, by their handlers.
    connectionsOf: () => 1,
    readable: (listener) =>
      listener.kind === "udp" ? relay.readable(listener) : acceptWaiting(host, listener, entrance.take),
    holds: () => false,
    resume() {
      entrance.resume();
      relay.resume();
    },
    configured: idle.review,
    closing(listener) {
      if (host.isStopped()) entrance.close();
      relay.closing(listener);
    },
    gone(handler, failed) {
      idle.remove(handler.pid);
      disconnects.remove(handler.pid);
      relay.gone(handler, failed);
    },
    save: (carry): SavedStdio => ({
      entrance: entrance.save(carry, host.listeners()),
      idle: idle.save(),
      disconnects: disconnects.save(),
      relay: relay.save(carry),
    }),
    restore(saved, from) {
      const state = saved as SavedStdio;
      entrance.restore(state.entrance, from);
      idle.restore(state.idle, from);
      disconnects.restore(state.disconnects, from);
      relay.restore(state.relay, from);
    },
  };
}

function isTcp({ listener }: Incoming): boolean {
  return listener.kind === "tcp";
}

/** What the handler of `incoming` gets. */
export function startStdio(incoming: Incoming, connectionFd: 0 | 3, standard: StandardDescriptors): Start {
  const { listener, local, remote, credentials, id, fd } = incoming;
  const { chosen } = standard;
  const variables = connectionVariables(listener.kind, local, remote, credentials, id);
  return {
    descriptors: descriptorsOf(fd, connectionFd, standard),
    variables: chosen.size === 0 ? variables : variables.filter((variable) => !chosen.has(nameOf(variable))),
  };
}

function descriptorsOf(connection: Fd, connectionFd: 0 | 3, { nothing, stderr }: StandardDescriptors): Fd[] {
  const second = stderr === "connection" ? connection : stderr;
  return connectionFd === 0 ? [connection, connection, second] : [nothing, second, second, connection];
}

function nameOf(variable: string): string {
  return variable.slice(0, variable.indexOf("="));
}
