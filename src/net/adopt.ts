/**
 * Sockets that this daemon was given when it was started: by systemd's protocol (sd_listen_fds(3)), or simply left open
 * by whoever started it. They are found by name, by number, or because they are bound where something is declared.
 */
import { fstatSync, readlinkSync } from "node:fs";
import { type Fd, isSystemError, type SocketAddress, type Sys } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { constant } from "./constants.ts";
import type { ListenerKind } from "./kind.ts";
import type { BoundListener } from "./listener.ts";

/** The first descriptor of the protocol: SD_LISTEN_FDS_START. */
const firstDescriptor = 3;

/** Far more than anybody passes; a larger LISTEN_FDS is a mistake, not a list to walk through. */
const maximumDescriptors = 4096;

export interface InheritedSocket {
  fd: Fd;
  /** From LISTEN_FDNAMES, where several may have the same; `null` where it has none. */
  name: string | null;
  kind: ListenerKind;
  address: SocketAddress;
  /** IPv6 alone. */
  v6only: boolean;
}

/** A listener of ours as if we had been given it. Nodes of Unix sockets cannot be given away. */
export function asInherited({ fd, kind, address, settings }: BoundListener): InheritedSocket {
  const v6only = address.family === "inet6" && settings?.shape.dual !== true;
  return { fd, name: null, kind, address, v6only };
}

/** What of `LISTEN_FDS` is usable; each problem is a sentence about a descriptor that is not. */
export interface Inheritance {
  sockets: InheritedSocket[];
  problems: string[];
}

/**
 * Looks at what was handed over, and marks it close-on-exec. To be called once, before this process opens descriptors
 * that could be taken for it. Whoever calls owns the sockets.
 * @param environment LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES are read; they are ignored if meant for another process
 * @param pid our own
 * @param numbers further descriptors that the configuration names (`fd:5`)
 */
export function readInheritance(
  sys: Sys,
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
  numbers: readonly Fd[] = [],
): Inheritance {
  const listed = listedDescriptors(environment, pid);
  if (!listed.ok) return { sockets: [], problems: [listed.error] };
  const names = new Map(listed.value);
  for (const fd of numbers) if (!names.has(fd)) names.set(fd, null);
  const inheritance: Inheritance = { sockets: [], problems: [] };
  for (const [fd, name] of names) {
    const socket = inspect(sys, fd, name);
    if (socket.ok) inheritance.sockets.push(socket.value);
    else inheritance.problems.push(`descriptor ${fd}${name === null ? "" : ` ("${name}")`} ${socket.error}`);
  }
  return inheritance;
}

/** The descriptors of LISTEN_FDS with their names, none if they are not for us. Pure. */
export function listedDescriptors(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): Result<[Fd, string | null][], string> {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment;
  if (LISTEN_FDS === undefined || LISTEN_PID !== String(pid)) return ok([]);
  const count = /^\d+$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : null;
  if (count === null || count > maximumDescriptors)
    return err(`LISTEN_FDS is "${LISTEN_FDS}", not a number of sockets`);
  const names = LISTEN_FDNAMES === undefined || LISTEN_FDNAMES === "" ? [] : LISTEN_FDNAMES.split(":");
  return ok(Array.from({ length: count }, (_, index) => [firstDescriptor + index, names[index] ?? null]));
}

/** What to look for among the sockets that were given: all that have a name, one by number, or one by its address. */
export type Wanted =
  | { name: string }
  | { fd: Fd }
  | { kind: ListenerKind; address: SocketAddress; v6only: boolean };

/**
 * The sockets that fit. A name may stand for several, as a unit with several ListenStream= gives them; an address and a
 * number for one.
 */
export function findInherited(sockets: readonly InheritedSocket[], wanted: Wanted): InheritedSocket[] {
  const found = sockets.filter((socket) => fits(socket, wanted));
  return "name" in wanted ? found : found.slice(0, 1);
}

function fits(socket: InheritedSocket, wanted: Wanted): boolean {
  if ("name" in wanted) return socket.name === wanted.name;
  if ("fd" in wanted) return socket.fd === wanted.fd;
  return socket.kind === wanted.kind && sameAddress(socket, wanted);
}

function sameAddress(
  { address: a, v6only }: InheritedSocket,
  { address: b, v6only: wantedV6only }: Extract<Wanted, { kind: ListenerKind }>,
): boolean {
  if (a.family === "unix") return b.family === "unix" && a.path === b.path;
  if (b.family === "unix" || a.family !== b.family || a.address !== b.address || a.port !== b.port)
    return false;
  if (a.family === "inet" || b.family === "inet") return true;
  return a.scope === b.scope && (a.address !== "::" || v6only === wantedV6only);
}

/** What an open descriptor is, or a phrase that says why it is of no use as a listener. */
function inspect(sys: Sys, fd: Fd, name: string | null): Result<InheritedSocket, string> {
  try {
    const file = fstatSync(fd);
    if (file.isFIFO()) {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      if (!path.startsWith("/")) return err("is a pipe without a name");
      sys.setCloseOnExec(fd, true);
      return ok({ fd, name, kind: "fifo", address: { family: "unix", path }, v6only: false });
    }
    if (!file.isSocket()) return err("is neither a socket nor a FIFO");
    const address = sys.getsockname(fd);
    const kind = kindOf(sys, fd, address);
    if (!kind.ok) return kind;
    sys.setCloseOnExec(fd, true);
    return ok({ fd, name, kind: kind.value, address, v6only: isV6only(sys, fd, address) });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return err(error.code === "EBADF" ? "is not open" : `cannot be used: ${error.syscall} ${error.code}`);
  }
}

function kindOf(sys: Sys, fd: Fd, address: SocketAddress): Result<ListenerKind, string> {
  const read = (option: string) => sys.getsockopt(fd, constant(sys, "SOL_SOCKET"), constant(sys, option));
  const type = read("SO_TYPE");
  const isType = (name: string) => type === constant(sys, name);
  if (isType("SOCK_STREAM") && read("SO_ACCEPTCONN") === 0 && isConnected(sys, fd)) {
    return err("is a connection, not a listener");
  }
  if (address.family !== "unix") {
    const protocol = read("SO_PROTOCOL");
    if (protocol === constant(sys, "IPPROTO_TCP")) return ok("tcp");
    if (protocol === constant(sys, "IPPROTO_UDP")) return ok("udp");
    return err(`is a socket of a protocol that is not served (number ${protocol})`);
  }
  if (address.path === null) return err("is a Unix socket without an address");
  if (isType("SOCK_STREAM")) return ok("unix");
  return ok(isType("SOCK_DGRAM") ? "unix-dgram" : "unix-seqpacket");
}

function isConnected(sys: Sys, fd: Fd): boolean {
  try {
    sys.getpeername(fd);
    return true;
  } catch {
    return false;
  }
}

function isV6only(sys: Sys, fd: Fd, address: SocketAddress): boolean {
  if (address.family !== "inet6") return false;
  return sys.getsockopt(fd, constant(sys, "IPPROTO_IPV6"), constant(sys, "IPV6_V6ONLY")) !== 0;
}
