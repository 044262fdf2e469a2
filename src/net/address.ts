/** Addresses as people write them in `listen`, and as the kernel, the log and `status` show them. */
import type { SocketAddress } from "../native/sys.ts";

/** One place to listen, parsed but not resolved: names of hosts and ports are looked up when it is bound. */
export type Endpoint =
  | {
      kind: "tcp" | "udp";
      /** `null`: all addresses. Otherwise an address (IPv6 without brackets, with its `%scope`) or a host name. */
      host: string | null;
      /** `4` and `6` where the protocol was spelled `tcp4`, `udp6` ...; `6` is IPv6 alone. */
      family: "any" | 4 | 6;
      /** A number (0: any free one) or a name of /etc/services. */
      port: number | string;
    }
  /** `path` absolute, or `@name` in the abstract namespace. */
  | { kind: "unix" | "unix-dgram" | "unix-seqpacket"; path: string }
  | { kind: "fifo"; path: string }
  /** A socket this daemon was given: by its name in LISTEN_FDNAMES, or by number. */
  | { kind: "systemd"; name: string }
  | { kind: "fd"; fd: number };

export type EndpointKind = Endpoint["kind"];
export type InternetEndpoint = Extract<Endpoint, { kind: "tcp" | "udp" }>;

/** The canonical form, which the parser reads back: `tcp://*:7000`, `udp4://10.0.0.1:53`, `unix:/run/x.sock`. */
export function formatEndpoint(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case "tcp":
    case "udp": {
      const family = endpoint.family === "any" ? "" : endpoint.family;
      return `${endpoint.kind}${family}://${formatHost(endpoint.host ?? "*")}:${endpoint.port}`;
    }
    case "unix":
    case "unix-dgram":
    case "unix-seqpacket":
    case "fifo":
      return `${endpoint.kind}:${endpoint.path}`;
    case "systemd":
      return `systemd:${endpoint.name}`;
    case "fd":
      return `fd:${endpoint.fd}`;
  }
}

/**
 * A bound socket's or a peer's address in the canonical form of `status` and events: `tcp://127.0.0.1:7000`,
 * `unix:/path`. IPv4 addresses mapped into IPv6 appear as plain IPv4. `unix:` alone is an unnamed socket.
 */
export function formatSocketAddress(kind: EndpointKind, address: SocketAddress): string {
  switch (address.family) {
    case "inet":
      return `${kind}://${address.address}:${address.port}`;
    case "inet6":
      return `${kind}://${formatHost(withScope(unmapped(address.address), address.scope))}:${address.port}`;
    case "unix":
      return `${kind}:${address.path ?? ""}`;
  }
}

/** IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2) as plain IPv4; any other address as it is. */
export function unmapped(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

/** A link-local address means nothing without its interface; the index is what the kernel calls it. */
function withScope(address: string, scope: number): string {
  return scope === 0 ? address : `${address}%${scope}`;
}

/** With the brackets that an IPv6 address needs beside a port. */
function formatHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
