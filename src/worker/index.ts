/**
 * `tinetd/worker`: for Node programs that are `pass` workers with `protocol = "node"`. It stands alone: a worker loads
 * this file and nothing else of tinetd.
 *
 *     import { serve } from "tinetd/worker";
 *     serve((socket, info) => socket.end(`hello, ${info.remote.address}\n`));
 */
import type { Socket } from "node:net";

/** An end of a connection. */
export type Address =
  | { family: "inet" | "inet6"; address: string; port: number; scope?: number }
  | { family: "unix"; path: string | null };

/** What tinetd says of a connection. */
export interface ConnectionInfo {
  /** Version of the message: 1. */
  v: number;
  /** Unique over all connections of this daemon. */
  id: number;
  service: string;
  /** The name of the listener that the client connected to. */
  listener: string;
  remote: Address;
  local: Address;
  /** Of a Unix peer, as the kernel vouches for it. */
  credentials?: { pid: number; uid: number; gid: number };
}

export type ConnectionHandler = (socket: Socket, info: ConnectionInfo) => void;

export interface Worker {
  /** Connections that are open now. */
  readonly open: number;
}

/**
 * Serves connections until tinetd closes the channel; then no more come. SIGTERM, which comes with that, ends the
 * process as soon as none is open; a program that has a listener of its own for SIGTERM decides for itself. Says
 * `ready` at once: call it when the worker can serve.
 * @throws if the process was not started by tinetd with `handoff = "pass"` and `protocol = "node"`
 */
export function serve(handler: ConnectionHandler): Worker {
  const send = process.send?.bind(process);
  if (send === undefined) {
    throw new Error('no channel: start this with tinetd, handoff = "pass", protocol = "node"');
  }
  const say = (message: object) => {
    // The channel may close at any moment; whoever closed it does not want to know any more.
    if (process.connected) send(message, undefined, {}, () => {});
  };
  let open = 0;
  let leaving = false;
  const leaveIfEmpty = () => {
    if (leaving && open === 0 && process.listenerCount("SIGTERM") === 1) process.exit();
  };
  process.on("SIGTERM", () => {
    leaving = true;
    leaveIfEmpty();
  });
  process.on("message", (message, handle) => {
    if (!isConnectionInfo(message)) return;
    if (handle === undefined) {
      // The client was gone before the socket could be opened.
      say({ done: message.id });
      return;
    }
    open += 1;
    const socket = handle as Socket;
    // One client's reset must not end the worker of all; the handler may listen too, and "close" comes anyway.
    socket.on("error", () => {});
    socket.once("close", () => {
      open -= 1;
      say({ done: message.id });
      // Whoever else listens for the end of this connection comes first.
      setImmediate(leaveIfEmpty);
    });
    handler(socket, message);
  });
  say({ ready: true });
  return {
    get open() {
      return open;
    },
  };
}

function isConnectionInfo(message: unknown): message is ConnectionInfo {
  if (typeof message !== "object" || message === null) return false;
  const { v, id } = message as Partial<ConnectionInfo>;
  return v === 1 && typeof id === "number";
}
