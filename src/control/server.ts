/**
 * HTTP with JSON over the control socket. Connections are accepted by us, so that who calls is known from the socket
 * itself before a byte is read; what a caller may send and hold is bounded everywhere.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Fd, PeerCredentials, Sys, Watch } from "../native/sys.ts";
import { isSystemError, READABLE } from "../native/sys.ts";
import { classifyAcceptError } from "../net/accept.ts";
import { type BoundListener, closeListener } from "../net/listen.ts";
import type { Clock } from "../util/clock.ts";
import { type Backend, routes } from "./routes.ts";

/** More callers than this at once wait in the backlog of the socket. */
const mostCallers = 64;
/** For a request and its answer together. Who says nothing is in the way of the next caller. */
const requestTimeoutMs = 5_000;

export interface ControlWorld {
  sys: Sys;
  clock: Clock;
  backend: Backend;
  /** Runs the action once more with reserved descriptors, when none was left. */
  lend<T>(action: () => T): T;
  /** Who may do everything, beside root: the daemon's own user. */
  ownUid: number;
}

export interface ControlServer {
  close(): void;
}

/** Keeps `listener`. */
export function serveControl(world: ControlWorld, listener: BoundListener): ControlServer {
  const { sys, clock } = world;
  const callers = new Set<Socket>();
  const server = createHttpServer(world.backend);
  const watch = sys.watch(listener.fd, () => acceptAll());
  watch.start(READABLE);

  function acceptAll(): void {
    while (callers.size < mostCallers) {
      const fd = acceptOne();
      if (fd === null) return;
      admit(fd);
    }
    watch.stop();
  }

  function acceptOne(): Fd | null {
    try {
      return sys.accept(listener.fd)?.fd ?? null;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      if (classifyAcceptError(error.code) === "shortage") return acceptFromReserve();
      return null;
    }
  }

  /** No descriptor is left: the reserve is for just this; if not even that helps, the caller waits a moment. */
  function acceptFromReserve(): Fd | null {
    try {
      return world.lend(() => sys.accept(listener.fd)?.fd ?? null);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      watch.stop();
      clock.after(100, () => resume(watch));
      return null;
    }
  }

  function admit(fd: Fd): void {
    if (!mayCall(sys.peerCredentials(fd), world.ownUid)) {
      sys.close(fd);
      return;
    }
    const socket = new Socket({ fd, readable: true, writable: true });
    // The server's own timeouts count only for sockets that it has accepted itself.
    const deadline = clock.after(requestTimeoutMs, () => socket.destroy());
    callers.add(socket);
    socket.on("close", () => {
      deadline.cancel();
      callers.delete(socket);
      resume(watch);
    });
    server.emit("connection", socket);
  }

  function resume(stopped: Watch): void {
    if (!closed) stopped.start(READABLE);
  }

  let closed = false;
  return {
    close() {
      if (closed) return;
      closed = true;
      watch.close();
      closeListener(sys, listener);
      server.closeAllConnections();
      for (const socket of callers) socket.destroy();
    },
  };
}

function mayCall(caller: PeerCredentials, ownUid: number): boolean {
  return caller.uid === 0 || caller.uid === ownUid;
}

function createHttpServer(backend: Backend): Server {
  const server = createServer({ maxHeaderSize: 8192 }, (request, response) =>
    answer(backend, request, response),
  );
  server.on("clientError", (_error, socket) => socket.destroy());
  return server;
}

function answer(backend: Backend, request: IncomingMessage, response: ServerResponse): void {
  // No route takes a body yet; one that is sent anyway is not kept.
  request.resume();
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  const matching = routes.filter((route) => route.path === path);
  const route = matching.find(({ method }) => method === request.method);
  if (route !== undefined) {
    send(response, 200, route.answer(backend));
  } else if (matching.length > 0) {
    response.setHeader("allow", matching.map(({ method }) => method).join(", "));
    send(response, 405, { error: `${request.method} is not possible on ${path}` });
  } else {
    send(response, 404, { error: `there is no ${path}` });
  }
}

function send(response: ServerResponse, code: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(code, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}
