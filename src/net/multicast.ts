/** Membership of a UDP listener in multicast groups (ip(7), ipv6(7)). */
import { type Fd, isSystemError, type Sys } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { constant } from "./constants.ts";
import type { SocketShape } from "./kind.ts";
import type { OptionFailure } from "./options.ts";
import { addressBytes } from "./prefix.ts";

/**
 * Joins every group, and sees to it that the socket gets datagrams of these groups alone: Linux would otherwise give a
 * wildcard socket those of every group that any process of the machine has joined. A group it is in already is fine,
 * so this also repairs what a handler has left.
 */
export function joinGroups(
  sys: Pick<Sys, "constants" | "setsockopt" | "interfaceIndex">,
  fd: Fd,
  shape: SocketShape,
  groups: readonly string[],
): Result<void, OptionFailure> {
  for (const group of groups) {
    const failure = join(sys, fd, shape, group);
    if (failure !== null) return err({ option: "multicast", ...failure });
  }
  return ok(undefined);
}

function join(
  sys: Pick<Sys, "constants" | "setsockopt" | "interfaceIndex">,
  fd: Fd,
  shape: SocketShape,
  group: string,
): Omit<OptionFailure, "option"> | null {
  const [address = "", device] = group.split("%");
  const bytes = addressBytes(address);
  if (bytes === null) return { code: null, reason: `${group} is not an address` };
  const version = bytes.length === 4 ? 4 : 6;
  if (
    shape.type !== "dgram" ||
    (version === 4 ? shape.domain === "inet6" && !shape.dual : shape.domain !== "inet6")
  ) {
    return { code: null, reason: `the socket cannot receive IPv${version} datagrams for ${group}` };
  }
  const index = device === undefined ? 0 : interfaceOf(sys, device);
  if (device !== undefined && index === 0)
    return { code: "ENODEV", reason: `there is no interface ${device}` };

  const [level, onlyOurs, membership] =
    version === 4
      ? ["IPPROTO_IP", "IP_MULTICAST_ALL", "IP_ADD_MEMBERSHIP"]
      : ["IPPROTO_IPV6", "IPV6_MULTICAST_ALL", "IPV6_JOIN_GROUP"];
  try {
    sys.setsockopt(fd, constant(sys, level), constant(sys, onlyOurs), 0);
    sys.setsockopt(fd, constant(sys, level), constant(sys, membership), request(bytes, index));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code === "EADDRINUSE") return null;
    return { code: error.code, reason: `${group}: ${error.code}` };
  }
  return null;
}

/** By name, or by number as a scope may be written. */
function interfaceOf(sys: Pick<Sys, "interfaceIndex">, device: string): number {
  return /^\d+$/.test(device) ? Number(device) : sys.interfaceIndex(device);
}

/** `struct ip_mreqn` (group, any local address, interface) or `struct ipv6_mreq` (group, interface). */
function request(group: readonly number[], interfaceIndex: number): Uint8Array {
  const index = new Uint8Array(new Uint32Array([interfaceIndex]).buffer);
  const local = group.length === 4 ? [0, 0, 0, 0] : [];
  return Uint8Array.from([...group, ...local, ...index]);
}
