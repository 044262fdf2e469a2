/**
 * The only door to the addon: what the kernel can do and Node cannot, one operation per function, no policy, no retry
 * and no state. Descriptors are plain integers; whoever holds one owns it and closes it.
 *
 * Failures are thrown as Node's own system errors (`code`, `errno`, `syscall`); "would block" is never an error but
 * `null`. The interface is passed in as a parameter everywhere, so that deciding code is tested without it.
 */
import { createRequire } from "node:module";
import type { InetDiagRows, UnixDiagRows } from "./diag.ts";

/** A file descriptor. A function's comment says whether it *keeps* (takes over) or *borrows* one it is given. */
export type Fd = number;

/** Socket families by the names of socket(2). */
export type Domain = "inet" | "inet6" | "unix" | "netlink";
export type SocketType = "stream" | "dgram" | "seqpacket" | "raw";

/** Where a socket is bound or who is at its other end. `scope` is an interface index (0: none). */
export type SocketAddress =
  | { family: "inet"; address: string; port: number }
  | { family: "inet6"; address: string; port: number; scope: number }
  /** `path` as in unix(7): a file, `@name` for the abstract namespace, `null` for an unnamed socket. */
  | { family: "unix"; path: string | null };

export interface Accepted {
  /** Blocking (the flag would be shared with the handler) and close-on-exec. */
  fd: Fd;
  /** From accept4 itself: a later getpeername may fail once the client has gone. */
  peer: SocketAddress;
}

/** SO_PEERCRED: who connected, as it was at connect time (unix(7)). */
export interface PeerCredentials {
  pid: number;
  uid: number;
  gid: number;
}

/** Bits of a watch, those of uv_poll. */
export const READABLE = 1;
export const WRITABLE = 2;
export const DISCONNECT = 4;

/**
 * Readiness of one descriptor, level-triggered (uv_poll). Borrows it: close the watch before the descriptor. A watch
 * lives until it is closed, whether or not anything refers to it. After `close` the other methods do nothing.
 */
export interface Watch {
  /** Calls back when any of `events` holds, 0 for none. May be called again to change the events. */
  start(events: number): void;
  /** Stops calling back; may be started again. */
  stop(): void;
  /** Ends the watch for good. Safe to call twice. */
  close(): void;
  /** Whether the watch alone keeps the event loop alive (it does until told otherwise). */
  ref(): void;
  unref(): void;
}

/** One direction of a relay. */
export interface RelayWay {
  /** Taken from the sender, whether or not the receiver has them yet. */
  bytes: number;
  /** Taken, and to be given to the receiver before anything else. */
  unsent: Uint8Array;
  /** The sender has ended (FIN). That has been passed on, or still is to be, behind `unsent`. */
  ended: boolean;
}

/** What a relay has done, and was about to do: all that another needs to go on in its place. */
export interface RelayState {
  aToB: RelayWay;
  bToA: RelayWay;
  /** Milliseconds since the last byte. */
  idleMs: number;
}

export interface RelayOptions {
  /** What `b` gets before anything from `a`: a PROXY header. In no count. Not together with `resume`. */
  prefixToB?: Uint8Array;
  /** Goes on where another relay of the same connections was, perhaps in another process. */
  resume?: RelayState;
}

/** How a relay ended, and what it took from each side. */
export interface RelayEnd {
  /**
   * `end`: both have ended and have all of it, or one has gone and the other has all that it said. `reset-a`, `reset-b`:
   * that one was reset, or would not be written to; the other has been reset too. `error`: anything else (ETIMEDOUT
   * ...); whoever had not failed has been reset.
   */
  reason: "end" | "reset-a" | "reset-b" | "error";
  /** The name of the error, `null` for `end`. */
  code: string | null;
  aToB: number;
  bToA: number;
}

/** Lives until one of its sides ends it, or `close` or `detach` does. */
export interface Relay {
  /** Bytes taken from each side so far; also after the end. */
  bytes(): { aToB: number; bToA: number };
  /** Milliseconds since the last byte in either direction, as of the event loop's clock. */
  idleMs(): number;
  /** Closes both sides now; a TCP side that was still to get something is reset. `onEnd` is not called. */
  close(): void;
  /** How it stands at this moment, with its descriptors, which stay its own; it goes on. `null` if it has ended. */
  state(): (RelayState & { a: Fd; b: Fd }) | null;
  /** The same, but it gives both descriptors back to the caller, non-blocking, and is over; `onEnd` is not called. */
  detach(): (RelayState & { a: Fd; b: Fd }) | null;
}

/**
 * The steps of a spawn between clone and exec, in the order they are taken. The addon exports the same list, and a
 * test compares them, so that a failure is always reported under its own name.
 */
export const spawnStages = [
  "clone",
  "cgroup",
  "descriptors",
  "session",
  "priority",
  "oom score",
  "limits",
  "root directory",
  "groups",
  "group",
  "user",
  "capabilities",
  "working directory",
  "signals",
  "exec",
] as const;
export type SpawnStage = (typeof spawnStages)[number];

/** All that is the same for every start of a service's handler: resolved, so that nothing is looked up in a spawn. */
export interface SpawnPlan {
  /** What execve gets: an absolute path (no PATH search). No string of a plan may hold a NUL. */
  file: string;
  argv: readonly string[];
  /** `NAME=value` entries. `LISTEN_PID=` and `WATCHDOG_PID=` with an empty value get the child's pid. */
  environment: readonly string[];
  workingDirectory: string;
  umask: number;
  /** `null` keeps ours (the daemon is not root, or the handler is to be as the daemon is). */
  credentials: { uid: number; gid: number; groups: readonly number[] } | null;
  /** chroot(2) before the identity changes; `file` and `workingDirectory` are inside it. */
  rootDirectory: string | null;
  /** `resource` is a RLIMIT_* number; -1 is RLIM_INFINITY. */
  limits: readonly { resource: number; soft: number; hard: number }[];
  /** `null` leaves it as it is. */
  nice: number | null;
  oomScoreAdjust: number | null;
  /**
   * Capability numbers kept over the change of user and raised ambient, all others dropped (for a handler that is root
   * execve gives all of the bounding set back: capabilities(7)); `null` leaves them to the kernel's rules.
   */
  capabilities: readonly number[] | null;
  noNewPrivileges: boolean;
}

/** A `SpawnPlan` laid out as the C strings a spawn needs; freed with the object. */
export interface PreparedPlan {
  readonly prepared: unique symbol;
}

export interface SpawnedChild {
  pid: number;
  /** Close-on-exec; readable when the child has ended. The caller owns it. */
  pidfd: Fd;
}

/** One of the children of `spawnAll`, with the parameters of `spawn`. A plan may serve several of them. */
export interface SpawnStart {
  plan: PreparedPlan;
  descriptors: readonly Fd[];
  variables: readonly string[];
  cgroup?: Fd;
}

/** How a child ended (waitid(2)) and what it used (getrusage(2)). */
export interface ChildExit {
  pid: number;
  /** Exit status, `null` if a signal ended it. */
  code: number | null;
  /** Signal number, `null` if it exited. */
  signal: number | null;
  userMicroseconds: number;
  systemMicroseconds: number;
  /** Of the process and of those that it waited for. Never below our own peak: execve carries that of the memory it leaves. */
  maxResidentKilobytes: number;
}

export interface UserRecord {
  name: string;
  uid: number;
  gid: number;
  home: string;
  shell: string;
}

export interface GroupRecord {
  name: string;
  gid: number;
}

/** One datagram or message. `truncated`: it was longer than the buffer; `controlTruncated`: descriptors were lost. */
export interface ReceivedMessage {
  /** How many bytes of the buffer were filled; 0 from a stream or seqpacket socket is end of file. */
  length: number;
  /** Close-on-exec; the caller owns them. */
  fds: Fd[];
  /** `null` if the sender has no address: an unnamed Unix socket, the kernel over netlink. */
  from: SocketAddress | null;
  /** SCM_CREDENTIALS, where SO_PASSCRED is set. */
  credentials: PeerCredentials | null;
  /**
   * The local address that the datagram was sent to (perhaps a broadcast or multicast one) and the interface it came
   * by, where IP_PKTINFO or IPV6_RECVPKTINFO is set. Port 0, unless IP(V6)_RECVORIGDSTADDR is set too.
   */
  to: { address: SocketAddress; interfaceIndex: number } | null;
  /** When it arrived, in nanoseconds since the epoch as decimal digits, where SO_TIMESTAMPNS is set. */
  arrivedAt: string | null;
  truncated: boolean;
  controlTruncated: boolean;
}

export interface Sys {
  // -- sockets: all descriptors made here are close-on-exec ---------------------------------------------------------
  /** Non-blocking. */
  socket(domain: Domain, type: SocketType, protocol?: number): Fd;
  /** Both ends close-on-exec and blocking. */
  socketpair(type: SocketType): [Fd, Fd];
  bind(fd: Fd, address: SocketAddress): void;
  listen(fd: Fd, backlog: number): void;
  /** The next connection, or `null` when none waits. Transient errors (ECONNABORTED ...) are thrown as they come. */
  accept(fd: Fd): Accepted | null;
  /**
   * `false` while the connection is still being made: writable, SO_ERROR then tells. For a Unix socket `false` is a full
   * backlog (EAGAIN): nothing is under way and nothing will tell when there is room, so connect again.
   */
  connect(fd: Fd, address: SocketAddress): boolean;
  getsockname(fd: Fd): SocketAddress;
  getpeername(fd: Fd): SocketAddress;
  getsockopt(fd: Fd, level: number, option: number): number;
  /** The raw value of an option that is not an int, at most `size` bytes of it. */
  getsockoptBytes(fd: Fd, level: number, option: number, size: number): Uint8Array;
  setsockopt(fd: Fd, level: number, option: number, value: number | string | Uint8Array): void;
  shutdown(fd: Fd, how: "read" | "write" | "both"): void;
  peerCredentials(fd: Fd): PeerCredentials;
  /** SO_COOKIE: identifies a socket for its life, also in sock_diag. Decimal. */
  socketCookie(fd: Fd): string;
  /**
   * Sets a classic BPF program (SO_ATTACH_FILTER), replacing any other in one step; `code,jt,jf,k` per instruction.
   * @throws EINVAL for a program that the kernel refuses, ENOMEM above net.core.optmem_max, EPERM on a TCP socket without
   * CAP_NET_ADMIN (Linux 6.18 as tried; older ones allow it to anybody)
   */
  attachFilter(fd: Fd, program: readonly number[]): void;
  /**
   * The bytes sent, or `null` when it would block, whatever the descriptor's flag. Never raises SIGPIPE. `descriptors`
   * (at most 253) are borrowed, and on a stream socket need a byte to travel with. `source` is the local address that a
   * datagram is to come from, for sockets bound to all of them (IP_PKTINFO; its port means nothing): EINVAL where it is
   * none that the machine sends from, as after a broadcast.
   */
  sendMessage(
    fd: Fd,
    data: Uint8Array,
    to?: SocketAddress | null,
    descriptors?: readonly Fd[],
    source?: SocketAddress | null,
  ): number | null;
  /** `null` when nothing waits, whatever the descriptor's flag. `peek` leaves it in the queue; its `fds` are new ones. */
  receiveMessage(fd: Fd, buffer: Uint8Array, peek?: boolean): ReceivedMessage | null;
  /** `null` when nothing waits or nothing fits (a blocking descriptor blocks); 0 from read is end of file. */
  read(fd: Fd, buffer: Uint8Array): number | null;
  write(fd: Fd, data: Uint8Array): number | null;

  // -- descriptors --------------------------------------------------------------------------------------------------
  close(fd: Fd): void;
  /** Duplicates (F_DUPFD_CLOEXEC) to the lowest free number not below `least` (default 3). */
  dup(fd: Fd, least?: number): Fd;
  setBlocking(fd: Fd, blocking: boolean): void;
  isBlocking(fd: Fd): boolean;
  setCloseOnExec(fd: Fd, closeOnExec: boolean): void;
  /** [read end, write end], both close-on-exec and blocking. */
  pipe(): [Fd, Fd];
  /** Which of READABLE, WRITABLE and DISCONNECT hold at this moment. An error condition is none of them. */
  poll(fd: Fd): number;
  /** ioctl(2) that yields an int: FIONREAD, SIOCOUTQ ... */
  ioctlInt(fd: Fd, request: number): number;
  /**
   * `events` are the bits that hold, of those asked for: READABLE, WRITABLE, DISCONNECT. `status` is 0 or a negative
   * errno: libuv answers an error condition (POLLERR: a reset or refused peer, a pipe without reader) with -EBADF and
   * stops the watch; look (SO_ERROR, read) and start it again. Makes the descriptor non-blocking. An exception in the
   * callback is an uncaught one.
   * @throws EEXIST if the loop watches this number already; EPERM for what cannot be watched, a regular file
   */
  watch(fd: Fd, callback: (events: number, status: number) => void): Watch;

  // -- relays -------------------------------------------------------------------------------------------------------
  /**
   * Relays two connected stream sockets, TCP or Unix, to each other: each gets what the other says, its end behind its
   * last byte, and its reset as a reset (a Unix socket cannot be reset, it sees an end). Keeps both descriptors, and makes
   * them non-blocking and TCP_NODELAY; if it throws they are still the caller's. A side that takes nothing slows the other
   * down: at most 256 KiB are under way in each direction, nothing while it is idle. Urgent data is left out, and so are
   * descriptors sent along. Nothing is read, written or ended before a later turn of the event loop.
   * @param onEnd called once, never before this returns; the descriptors are closed by then
   * @throws EPROTOTYPE for what is not a stream socket, EEXIST for one that is being relayed
   */
  relay(a: Fd, b: Fd, onEnd: (end: RelayEnd) => void, options?: RelayOptions): Relay;

  // -- epoll(7) by itself: for edges, which `watch` cannot tell ------------------------------------------------------
  /** Readable (for `watch`) while it has events that `epollWait` has not taken. Close-on-exec. */
  epoll(): Fd;
  /**
   * Adds a descriptor (borrowed) with EPOLL* bits, `EPOLLOUT | EPOLLET` ... With EPOLLET it is reported at once if any of
   * them holds, then whenever one is announced anew, though it has held all along: EPOLLOUT of a Unix socket each time
   * that its peer takes something that was sent, as long as no more than a quarter of SO_SNDBUF is left. SIOCOUTQ then
   * says how much that is; a message adds some hundred bytes at least (768 for a small one), of which the kernel may not
   * have taken off the last yet: everything has been received when it is below that, not only at 0.
   * @throws EEXIST, EPERM for what cannot be watched
   */
  epollAdd(epoll: Fd, fd: Fd, events: number): void;
  /** Before the descriptor is closed: a duplicate elsewhere would go on being reported. @throws ENOENT */
  epollRemove(epoll: Fd, fd: Fd): void;
  /** At most 64 of the events there are, without waiting; EPOLLERR and EPOLLHUP come unasked. */
  epollWait(epoll: Fd): { fd: Fd; events: number }[];

  // -- processes ----------------------------------------------------------------------------------------------------
  prepare(plan: SpawnPlan): PreparedPlan;
  /**
   * Starts a process: `descriptors[n]` becomes its descriptor n (-1: not open), everything else is closed. They are
   * borrowed, and handed over as they are: blocking or not is the caller's to see to. In a session of its own, with
   * default dispositions and no signal blocked. Returns when the file has been executed.
   * `variables` are further `NAME=value` entries, for this start alone; none that the plan has already (getenv(3) finds
   * the first of two).
   * @param cgroup a directory descriptor of cgroup v2 to start in, or -1
   * @throws a system error with `stage`; no process is left behind
   */
  spawn(
    plan: PreparedPlan,
    descriptors: readonly Fd[],
    variables: readonly string[],
    cgroup?: Fd,
  ): SpawnedChild;
  /**
   * Starts up to 64 processes, each as `spawn` does, whose execs share the machine's processors instead of taking turns
   * on one of them. Returns when each has been executed or has failed: in the order of `starts` the child, or the error
   * that `spawn` would have thrown. A failure does not affect the others. Where they cannot be started together (a
   * daemon that changes users and is not root, an architecture without clone.c's assembly) they are, one by one.
   */
  spawnAll(starts: readonly SpawnStart[]): (SpawnedChild | SystemError)[];
  /** How the child ended, or `null` while it runs. Reaps it unless `peek`. */
  wait(pidfd: Fd, peek?: boolean): ChildExit | null;
  /** Any ended child, without reaping it (WNOWAIT), or `null`: so that a handler's status is never stolen. */
  peekEndedChild(): number | null;
  /** Reaps a child by pid, for orphans that a subreaper inherits; `null` while it runs. ECHILD if it is none of ours. */
  waitPid(pid: number): ChildExit | null;
  pidfdOpen(pid: number): Fd;
  /** Signals the process behind a pidfd; `false` if it has ended. */
  signalProcess(pidfd: Fd, signal: number): boolean;
  /**
   * Signals a process group; `false` if it has no member. Its leader must not have been reaped (pid reuse). EINVAL below
   * 2, which kill(2) takes for our own group and for everybody.
   */
  signalGroup(group: number, signal: number): boolean;
  /** PR_SET_CHILD_SUBREAPER: orphans of our handlers become our children. */
  setSubreaper(on: boolean): void;
  /** `-1` is RLIM_INFINITY, here and in `setrlimit`. */
  getrlimit(resource: number): { soft: number; hard: number };
  setrlimit(resource: number, soft: number, hard: number): void;
  /** Replaces this process (execve). Returns only by throwing. Descriptors that must survive are the caller's to mark. */
  exec(file: string, argv: readonly string[], environment: readonly string[]): never;

  // -- users --------------------------------------------------------------------------------------------------------
  /** By name or uid, through NSS; `null` if there is none. May block: never on the way of a connection. */
  lookupUser(nameOrUid: string | number): UserRecord | null;
  lookupGroup(nameOrGid: string | number): GroupRecord | null;
  /** As initgroups(3) gives them, the primary group included. */
  groupList(user: string, gid: number): number[];

  // -- files --------------------------------------------------------------------------------------------------------
  /**
   * An extended attribute (xattr(7)); `null` if the file has none of that name, or none that we may see.
   * @throws ERANGE for one longer than 256 bytes
   */
  getxattr(path: string, name: string): Uint8Array | null;
  /** An anonymous file (memfd_create) that holds `data`, sealed against any change; position 0. */
  sealedFile(name: string, data: Uint8Array): Fd;
  /** Reads at `position`, which is no property of the descriptor then (pread(2)). 0 is the end. */
  readAt(fd: Fd, buffer: Uint8Array, position: number): number;
  /**
   * An exclusive lock of the open file description (F_OFD_SETLK), which outlives an exec and ends with its last
   * descriptor; needs one open for writing. `null` if it is now ours, else the holder's pid: -1 where the holder is an
   * open file description too, since the kernel names no owner of those.
   */
  lockFile(fd: Fd): number | null;
  /** mkfifo(3); the umask takes from `mode`. */
  makeFifo(path: string, mode: number): void;
  /**
   * Each path leads to what the other led to, in one step (renameat2(2) with RENAME_EXCHANGE).
   * @throws EINVAL for a file system that cannot, ENOSYS for such a kernel, ENOENT if one of them is not there
   */
  exchangePaths(first: string, second: string): void;

  // -- sock_diag(7): `netlink` is a NETLINK_SOCK_DIAG socket, borrowed; none of these ever waits ----------------------
  /**
   * Sockets with one of these local ports (1 to 1024 of them), found by a filter in the kernel. Needs no privilege.
   * @param states a bit per state, `1 << TCP_LISTEN` ...
   * @param info whether to ask for tcp_info as well, which costs half as much again
   * @throws ENOENT where the kernel has no such diagnosis
   */
  inetDiag(
    netlink: Fd,
    family: "inet" | "inet6",
    protocol: "tcp" | "udp",
    states: number,
    ports: readonly number[],
    info: boolean,
  ): InetDiagRows;
  /** The one socket with these ends and this cookie, with tcp_info; no row if it is gone. */
  inetDiagOne(
    netlink: Fd,
    protocol: "tcp" | "udp",
    local: SocketAddress,
    remote: SocketAddress,
    cookie: string,
  ): InetDiagRows;
  /**
   * Unix sockets in these states. Needs no privilege.
   * @param pending whether to tell who waits in the queues; one of several thousand does not fit into an answer, which
   *   then ends before that listener without a word
   */
  unixDiag(netlink: Fd, states: number, pending: boolean): UnixDiagRows;
  /**
   * Binds a netlink socket to an address of the kernel's choice and joins groups, `1 << (SKNLGRP_INET_TCP_DESTROY - 1)`
   * ... Needs no privilege. To be told of a group a socket must be bound: NETLINK_ADD_MEMBERSHIP is not enough.
   */
  bindNetlink(netlink: Fd, groups: number): void;
  /**
   * Sockets that have gone, from a socket that has joined a SKNLGRP_INET*_DESTROY group, with their last tcp_info; at
   * most about a thousand at a time. `null` when nothing waits. `inconsistent`: the buffer was full, and what has come
   * since is lost, until it has been read empty.
   */
  inetDiagEvents(netlink: Fd): InetDiagRows | null;

  /** if_nametoindex(3); 0 if there is no such interface. */
  interfaceIndex(name: string): number;
  /** The port of a service of /etc/services, or `null` (getservbyname_r). */
  servicePort(name: string, protocol: "tcp" | "udp"): number | null;

  /**
   * `SOL_*`, `SO_*`, `IPPROTO_*`, `TCP_*`, `IP_*`, `RLIMIT_*`, `CAP_*`, signal and netlink numbers of this architecture,
   * under the names of the headers (c/constants.c is the list).
   */
  readonly constants: Readonly<Record<string, number>>;
  readonly spawnStages: readonly string[];
}

/** A system error as the addon throws it. */
export interface SystemError extends Error {
  code: string;
  errno: number;
  syscall: string;
  /** Set by `spawn` and `spawnAll` alone. */
  stage?: SpawnStage;
}

export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && typeof (error as Partial<SystemError>).code === "string";
}

/** Loads the addon. Called once, in `main`. */
export function loadSys(): Sys {
  return createRequire(import.meta.url)("#sys") as Sys;
}
