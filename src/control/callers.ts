/**
 * Accepting callers at the control socket, or at the TCP listener. We accept by ourselves, so that who calls is known
 * from the socket before a byte is read; strangers are closed at once and hold nothing.
 */
import { Socket } from "node:net";
import { type Fd, isSystemError, READABLE, type Sys } from "../native/sys.ts";
import { classifyAcceptError } from "../net/accept.ts";
import type { BoundListener } from "../net/listen.ts";
import type { Clock } from "../util/clock.ts";
import { type Caller, type Role, type RoleRules, roleOf } from "./roles.ts";

const noRoomPauseMs = 100;
/** NGROUPS_MAX gids of 4 bytes (credentials(7)). */
const mostGroupBytes = 65_536 * 4;

/** What callers may hold. */
export interface CallerLimits {
  /** More at once wait in the backlog of the socket. */
  count: number;
  /** One who has not sent a whole request by then is in the way of the next. */
  requestMs: number;
  /** How long one may take to get his answer; `null`: as long as he likes. */
  answerMs: number | null;
}

export interface CallerWorld {
  sys: Sys;
  clock: Clock;
  /** Runs the action once more with reserved descriptors, when none was left. */
  lend<T>(action: () => T): T;
  /** Of who is at the other end of the descriptor; `null`: nobody that we know. */
  roleOf(fd: Fd): Role | null;
  limits: CallerLimits;
}

export interface Call {
  socket: Socket;
  /** Of `socket`, which owns it. */
  fd: Fd;
  role: Role;
  /** A whole request has come: from now on the answer's time counts. */
  asked(): void;
}

export interface Callers {
  /** Accepts nobody any more. */
  stop(): void;
  /** Hangs up on those who are there. */
  close(): void;
}

/** Keeps nothing but the sockets of callers; `listener` is borrowed until `stop`. */
export function acceptCallers(
  world: CallerWorld,
  listener: BoundListener,
  onCall: (call: Call) => void,
): Callers {
  const { sys, clock, limits } = world;
  const callers = new Set<Socket>();
  let stopped = false;
  const watch = sys.watch(listener.fd, acceptAll);
  resume();

  function resume(): void {
    if (!stopped) watch.start(READABLE);
  }

  function acceptAll(): void {
    while (callers.size < limits.count) {
      const fd = acceptOne();
      if (fd === null) return;
      const role = world.roleOf(fd);
      if (role === null) sys.close(fd);
      else welcome(fd, role);
    }
    watch.stop();
  }

  function acceptOne(): Fd | null {
    try {
      return sys.accept(listener.fd)?.fd ?? null;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return classifyAcceptError(error.code) === "shortage" ? acceptFromReserve() : null;
    }
  }

  /** No descriptor is left: the reserve is for just this; if not even that helps, the caller waits a moment. */
  function acceptFromReserve(): Fd | null {
    try {
      return world.lend(() => sys.accept(listener.fd)?.fd ?? null);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      watch.stop();
      clock.after(noRoomPauseMs, resume);
      return null;
    }
  }

  function welcome(fd: Fd, role: Role): void {
    const socket = new Socket({ fd, readable: true, writable: true });
    const within = (ms: number) => clock.after(ms, () => socket.destroy());
    let deadline = within(limits.requestMs);
    callers.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      deadline.cancel();
      callers.delete(socket);
      resume();
    });
    const asked = () => {
      deadline.cancel();
      if (limits.answerMs !== null) deadline = within(limits.answerMs);
    };
    onCall({ socket, fd, role, asked });
  }

  return {
    stop() {
      if (!stopped) watch.close();
      stopped = true;
    },
    close() {
      for (const socket of callers) socket.destroy();
    },
  };
}

/** At a Unix socket the kernel says who has connected. */
export function roleByCredentials(sys: Sys, rules: RoleRules): (fd: Fd) => Role | null {
  return (fd) => roleOf(callerOf(sys, fd), rules);
}

function callerOf(sys: Sys, fd: Fd): Caller {
  const { uid, gid } = sys.peerCredentials(fd);
  const { SOL_SOCKET = 1, SO_PEERGROUPS = 59 } = sys.constants;
  // A caller whom no group could help need not be asked for his.
  const bytes = sys.getsockoptBytes(fd, SOL_SOCKET, SO_PEERGROUPS, mostGroupBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const groups = Array.from({ length: Math.floor(bytes.byteLength / 4) }, (_, n) =>
    view.getUint32(n * 4, true),
  );
  return { uid, gid, groups };
}
