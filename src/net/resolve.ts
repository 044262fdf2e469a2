/**
 * From an address as it was declared to the socket addresses to bind: names of hosts, ports and interfaces are looked
 * up, `*` becomes the wildcard of the families that this machine has.
 */
import { lookup } from "node:dns/promises";
import { isIPv4, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { isSystemError, type SocketAddress, type Sys } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { type InternetEndpoint, unmapped } from "./address.ts";

/** One socket address to bind. */
export interface Resolved {
  address: Extract<SocketAddress, { family: "inet" | "inet6" }>;
  /** The protocol was spelled with a 6: IPv6 alone, where the address is the wildcard. */
  v6only: boolean;
}

/** What is asked of the machine and of the name service. */
export interface Resolver {
  /** Every address of a host, in the name service's order. @throws Node's dns errors */
  addressesOf(host: string, family: 0 | 4 | 6): Promise<readonly string[]>;
  /** Whether sockets of the family can be made at all. */
  supports(family: 4 | 6): boolean;
  /** Whether any interface has an address of the family: where IPv6 is switched off, none has. */
  inUse(family: 4 | 6): boolean;
  /** The port of a service of /etc/services. */
  portOf(service: string, protocol: "tcp" | "udp"): number | null;
  /** The index of a network interface, 0 if there is none of that name. */
  interfaceIndex(name: string): number;
}

/** The resolver of this machine: getaddrinfo in Node's thread pool, the rest through the addon. */
export function systemResolver(
  sys: Pick<Sys, "socket" | "close" | "servicePort" | "interfaceIndex">,
): Resolver {
  return {
    async addressesOf(host, family) {
      const found = await lookup(host, { all: true, family, verbatim: true });
      return found.map(({ address }) => address);
    },
    supports(family) {
      try {
        sys.close(sys.socket(family === 4 ? "inet" : "inet6", "stream"));
        return true;
      } catch (error) {
        if (isSystemError(error) && error.code === "EAFNOSUPPORT") return false;
        throw error;
      }
    },
    inUse(family) {
      const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
      return addresses.some((address) => address.family === `IPv${family}`);
    },
    portOf: (service, protocol) => sys.servicePort(service, protocol),
    interfaceIndex: (name) => sys.interfaceIndex(name),
  };
}

/**
 * The addresses to bind for a TCP or UDP endpoint, at least one.
 * @returns or a sentence that says what could not be found, e.g. `there is no host "db.internal"`
 */
export async function resolveEndpoint(
  endpoint: InternetEndpoint,
  resolver: Resolver,
): Promise<Result<Resolved[], string>> {
  const port = portNumber(endpoint, resolver);
  if (!port.ok) return port;
  const hosts = await hostAddresses(endpoint, resolver);
  if (!hosts.ok) return hosts;
  const resolved: Resolved[] = [];
  for (const host of hosts.value) {
    const address = socketAddress(host, port.value, resolver);
    if (!address.ok) return address;
    resolved.push({ address: address.value, v6only: endpoint.family === 6 });
  }
  return ok(resolved);
}

function portNumber({ kind, port }: InternetEndpoint, resolver: Resolver): Result<number, string> {
  if (typeof port === "number") return ok(port);
  const found = resolver.portOf(port, kind);
  return found === null ? err(`/etc/services has no ${kind} port named "${port}"`) : ok(found);
}

/** Literal addresses, without duplicates; of IPv6 with their `%scope`. */
async function hostAddresses(
  { host, family }: InternetEndpoint,
  resolver: Resolver,
): Promise<Result<readonly string[], string>> {
  if (host === null) {
    // The IPv6 wildcard takes IPv4 too. Only a kernel without IPv6 cannot make one; an IPv6 that is merely disabled can.
    if (family === 6 || (family === "any" && resolver.supports(6))) return ok(["::"]);
    return ok(["0.0.0.0"]);
  }
  const literal = unmapped(host);
  const [address = ""] = literal.split("%");
  const version = isIPv4(address) ? 4 : isIPv6(address) ? 6 : null;
  if (version === null) return namedAddresses(host, family, resolver);
  if (family !== "any" && family !== version) return err(`${host} is not an IPv${family} address`);
  return ok([literal]);
}

/** All addresses of a name, less those of a family that is switched off here (`::1` of localhost, most often). */
async function namedAddresses(
  host: string,
  family: InternetEndpoint["family"],
  resolver: Resolver,
): Promise<Result<readonly string[], string>> {
  let found: readonly string[];
  try {
    found = await resolver.addressesOf(host, family === "any" ? 0 : family);
  } catch (error) {
    return err(lookupFailure(host, error));
  }
  const unique = [...new Set(found.map(unmapped))];
  const usable = unique.filter((address) => {
    const version = isIPv4(address) ? 4 : 6;
    return resolver.supports(version) && resolver.inUse(version);
  });
  if (usable.length > 0) return ok(usable);
  return err(
    unique.length === 0 ? `"${host}" has no address` : `"${host}" has no address of a family that is on here`,
  );
}

function lookupFailure(host: string, error: unknown): string {
  if (!isSystemError(error)) throw error;
  switch (error.code) {
    case "ENOTFOUND":
    case "ENODATA":
      return `there is no host "${host}"`;
    case "EAI_AGAIN":
      return `the name service does not answer for "${host}"`;
    default:
      return `cannot look up "${host}": ${error.code}`;
  }
}

function socketAddress(host: string, port: number, resolver: Resolver): Result<Resolved["address"], string> {
  const [address = "", zone] = host.split("%");
  if (isIPv4(address)) return ok({ family: "inet", address, port });
  if (zone === undefined) return ok({ family: "inet6", address, port, scope: 0 });
  const scope = /^\d+$/.test(zone) ? Number(zone) : resolver.interfaceIndex(zone);
  if (scope === 0) return err(`there is no interface "${zone}"`);
  return ok({ family: "inet6", address, port, scope });
}
