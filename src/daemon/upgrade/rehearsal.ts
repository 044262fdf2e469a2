/**
 * A `Sys` that looks like the real one and touches nothing: with it the new version takes up a copy of the state in the
 * trial, through all of its own code, so that a state that it cannot take is found out there and not after the exec.
 *
 * What only asks the machine (users, limits, constants) is real. A descriptor of the state is a mere number here: in the
 * process of the trial there is none of that number, or another one.
 */
import type { Sys, Watch } from "../../native/sys.ts";
import type { Clock } from "../../util/clock.ts";

const nothing = (): void => {};

const watch: Watch = { start: nothing, stop: nothing, close: nothing, ref: nothing, unref: nothing };

/** No descriptor. */
const none = -1;

export function rehearsalSys(real: Sys): Sys {
  const refuse = (): never => {
    throw new Error("a takeover does not do this");
  };
  const { constants, spawnStages, getrlimit, lookupUser, lookupGroup, groupList } = real;
  return {
    constants,
    spawnStages,
    getrlimit,
    lookupUser,
    lookupGroup,
    groupList,
    interfaceIndex: real.interfaceIndex,
    servicePort: real.servicePort,
    prepare: real.prepare,

    // What is made anew, or looked at, on the way.
    socket: () => none,
    socketpair: () => [none, none],
    pipe: () => [none, none],
    epoll: () => none,
    dup: () => none,
    sealedFile: () => none,
    watch: () => watch,
    relay: () => ({
      bytes: () => ({ aToB: 0, bToA: 0 }),
      idleMs: () => 0,
      close: nothing,
      state: () => null,
      detach: () => null,
    }),
    isBlocking: () => false,
    poll: () => 0,
    getsockopt: () => 0,
    getsockoptBytes: () => new Uint8Array(),
    ioctlInt: () => 0,
    readAt: (_fd, buffer) => buffer.length,
    getxattr: () => null,
    lockFile: () => null,
    epollWait: () => [],
    bindNetlink: nothing,
    attachFilter: nothing,
    setsockopt: nothing,
    setBlocking: nothing,
    setCloseOnExec: nothing,
    setSubreaper: nothing,
    epollAdd: nothing,
    epollRemove: nothing,
    close: nothing,

    // What a restore must not do, and so does not need.
    bind: refuse,
    listen: refuse,
    accept: refuse,
    connect: refuse,
    getsockname: refuse,
    getpeername: refuse,
    shutdown: refuse,
    peerCredentials: refuse,
    socketCookie: refuse,
    sendMessage: refuse,
    receiveMessage: refuse,
    read: refuse,
    write: refuse,
    spawn: refuse,
    spawnAll: refuse,
    wait: refuse,
    peekEndedChild: refuse,
    waitPid: refuse,
    pidfdOpen: refuse,
    signalProcess: refuse,
    signalGroup: refuse,
    setrlimit: refuse,
    exec: refuse,
    makeFifo: refuse,
    exchangePaths: refuse,
    inetDiag: refuse,
    inetDiagOne: refuse,
    unixDiag: refuse,
    inetDiagEvents: refuse,
  };
}

/** Time stands still: nothing that is set to happen later ever does. */
export function rehearsalClock({ now, wall }: Clock): Clock {
  return { now, wall, after: () => ({ cancel: nothing }) };
}
