/** Reads an address of `listen`: every form of the reference, and for every other text the reason why it is none. */
import { isIPv4, isIPv6, SocketAddress } from "node:net";
import { posix } from "node:path";
import { err, ok, type Result } from "../util/result.ts";
import type { Endpoint, InternetEndpoint } from "./address.ts";

export interface AddressError {
  /** What is wrong, to stand behind the address. */
  message: string;
  /** What to write instead, if that is known. */
  hint: string | null;
}

type LocalKind = "unix" | "unix-dgram" | "unix-seqpacket" | "fifo";

/** sun_path has 108 bytes (unix(7)): the last is a path's NUL, the first an abstract name's. */
const longestUnixPath = 107;

/** One address, or those of a port range. Names of hosts and ports are not looked up. */
export function parseAddress(text: string | number): Result<Endpoint[], AddressError> {
  if (typeof text === "number") return parseInternet("tcp", "any", `*:${text}`);
  if (text.includes("\0")) return fail("it has a NUL character");
  if (text.startsWith("/")) return parsePath("unix", text);
  if (text.startsWith("@")) return fail("an abstract name needs its kind", `write "unix:${text}"`);
  const url = /^([a-z0-9+-]+):\/\/(.*)$/i.exec(text);
  const internet = /^(tcp|udp)([46]?)$/.exec(url?.[1] ?? "");
  if (internet !== null) {
    return parseInternet(internet[1] as "tcp" | "udp", parseFamily(internet[2]), url?.[2] ?? "");
  }
  const local = /^(unix|unix-dgram|unix-seqpacket|fifo):(.*)$/s.exec(text);
  if (local !== null) return parsePath(local[1] as LocalKind, local[2] ?? "");
  if (text.startsWith("systemd:")) return parseSystemd(text.slice("systemd:".length));
  if (text.startsWith("fd:")) return parseDescriptor(text.slice("fd:".length));
  if (url !== null) {
    return fail(
      `there is no protocol ${url[1]}`,
      'protocols are "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"',
    );
  }
  return parseInternet("tcp", "any", /^[\d-]+$/.test(text) ? `*:${text}` : text);
}

function parseFamily(digit: string | undefined): "any" | 4 | 6 {
  if (digit === "4") return 4;
  return digit === "6" ? 6 : "any";
}

function parseInternet(
  kind: "tcp" | "udp",
  family: "any" | 4 | 6,
  rest: string,
): Result<Endpoint[], AddressError> {
  const match = /^(\[[^\]]*\]|[^:]*):([^:]*)$/.exec(rest);
  if (match === null) return fail(...explainShape(rest));
  const [, hostText = "", portText = ""] = match;
  const host = parseHost(hostText, family);
  if (!host.ok) return host;
  const ports = parsePorts(portText);
  if (!ports.ok) return ports;
  return ok(ports.value.map((port): InternetEndpoint => ({ kind, host: host.value, family, port })));
}

/** Why a text that is no HOST:PORT is none. */
function explainShape(rest: string): [string, string | null] {
  if (isIPv6(rest.replace(/:[^:]*$/, "")) || isIPv6(rest)) {
    return ["an IPv6 address needs brackets before its port", 'as in "[::1]:7000"'];
  }
  if (/^[a-z][a-z0-9-]*$/i.test(rest))
    return ["a port is missing", `"${rest}:PORT", or "*:${rest}" if it names a port`];
  if (isIPv4(rest) || rest.startsWith("[")) return ["a port is missing", `"${rest}:PORT"`];
  if (rest.includes("/")) return ["a path must be absolute", null];
  return ["expected PORT, HOST:PORT, /PATH or KIND:PATH", null];
}

function parseHost(text: string, family: "any" | 4 | 6): Result<string | null, AddressError> {
  if (text === "*") return ok(null);
  if (text === "") return fail("an address is missing before the port", '"*" is all addresses');
  if (text.startsWith("[")) {
    const host = canonicalIPv6(text.slice(1, -1));
    if (host === null) return fail(`${text} is not an IPv6 address`);
    return family === 4 ? fail("an IPv6 address cannot be spoken to with IPv4 alone") : ok(host);
  }
  if (isIPv4(text))
    return family === 6 ? fail("an IPv4 address cannot be spoken to with IPv6 alone") : ok(text);
  if (/^[\d.]+$/.test(text)) return fail(`${text} is not an IPv4 address`);
  if (!/^[a-z0-9_][a-z0-9_.-]*$/i.test(text)) return fail(`"${text}" is neither an address nor a host name`);
  return ok(text);
}

/** Lower case and shortened (RFC 5952), so that one address has one spelling; the scope is kept. */
function canonicalIPv6(text: string): string | null {
  const [address = "", scope, ...more] = text.split("%");
  if (!isIPv6(address) || more.length > 0 || scope === "") return null;
  const canonical = new SocketAddress({ address, family: "ipv6" }).address;
  return scope === undefined ? canonical : `${canonical}%${scope}`;
}

function parsePorts(text: string): Result<(number | string)[], AddressError> {
  if (text === "") return fail("the port is missing");
  const range = /^(\d+)-(\d+)$/.exec(text);
  if (range !== null) return parseRange(Number(range[1]), Number(range[2]));
  if (/^\d+$/.test(text)) {
    const port = Number(text);
    return port <= 65535 ? ok([port]) : fail(`port ${text} is not between 0 and 65535`);
  }
  if (!/^[a-z0-9][a-z0-9_.+-]*$/i.test(text) || !/[a-z]/i.test(text)) {
    return fail(`"${text}" is neither a port nor the name of one`);
  }
  return ok([text]);
}

function parseRange(first: number, last: number): Result<number[], AddressError> {
  if (first > last) return fail(`the range ${first}-${last} is reversed`, `"${last}-${first}"`);
  if (first === 0) return fail("a range cannot begin with port 0");
  if (last > 65535) return fail(`the range ${first}-${last} leaves the ports, which end at 65535`);
  return ok(Array.from({ length: last - first + 1 }, (_, index) => first + index));
}

function parsePath(kind: LocalKind, text: string): Result<Endpoint[], AddressError> {
  if (text.startsWith("@") && kind !== "fifo") {
    if (text === "@") return fail("the abstract name is missing");
    return lengthChecked(text, longestUnixPath + 1, () => ok([{ kind, path: text }]));
  }
  if (!text.startsWith("/")) return fail("a path must be absolute");
  if (text.endsWith("/")) return fail("this is the path of a directory");
  const path = posix.normalize(text);
  // A fifo is opened by name, without a sockaddr.
  return kind === "fifo"
    ? ok([{ kind, path }])
    : lengthChecked(path, longestUnixPath, () => ok([{ kind, path }]));
}

function lengthChecked<T>(
  path: string,
  limit: number,
  then: () => Result<T, AddressError>,
): Result<T, AddressError> {
  const length = Buffer.byteLength(path);
  return length <= limit ? then() : fail(`the path has ${length} bytes, a Unix socket has room for ${limit}`);
}

function parseSystemd(name: string): Result<Endpoint[], AddressError> {
  return /^[^\s:]{1,255}$/.test(name)
    ? ok([{ kind: "systemd", name }])
    : fail("expected the name of a socket of LISTEN_FDNAMES, 1 to 255 characters without space and colon");
}

function parseDescriptor(text: string): Result<Endpoint[], AddressError> {
  if (!/^\d{1,9}$/.test(text)) return fail("expected the number of a descriptor");
  const fd = Number(text);
  return fd >= 3
    ? ok([{ kind: "fd", fd }])
    : fail(`descriptor ${fd} is the daemon's own`, "descriptors start at 3");
}

function fail(message: string, hint: string | null = null): Result<never, AddressError> {
  return err({ message, hint });
}
