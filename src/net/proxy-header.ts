/**
 * The header by which a daemon behind a relay learns who its client is: the PROXY protocol of HAProxy, version 1 (a line
 * of text) and 2 (binary), https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt. Pure.
 */
import type { SocketAddress } from "../native/sys.ts";
import { addressBytes } from "./prefix.ts";

/** Section 2.2: no text protocol begins like this. */
const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

/** Version 2, command PROXY: the header speaks of somebody else's connection. */
const versionAndCommand = 0x21;

/** Address family and transport protocol in one byte: section 2.2, the 14th. */
const transport = { unspecified: 0x00, tcp4: 0x11, tcp6: 0x21, unixStream: 0x31 } as const;

/** sun_path of unix(7). */
const unixPathLength = 108;

/** `version` for a connection from `remote` to `local`, both as accept gives them, IPv4 addresses as plain ones. */
export function proxyHeader(version: "v1" | "v2", remote: SocketAddress, local: SocketAddress): Uint8Array {
  return version === "v1" ? textHeader(remote, local) : binaryHeader(remote, local);
}

/** Section 2.1. Of anything but TCP it can only say that it does not know. */
function textHeader(remote: SocketAddress, local: SocketAddress): Uint8Array {
  if (remote.family === "unix" || local.family === "unix" || remote.family !== local.family) {
    return Buffer.from("PROXY UNKNOWN\r\n", "latin1");
  }
  const protocol = remote.family === "inet" ? "TCP4" : "TCP6";
  const words = ["PROXY", protocol, remote.address, local.address, remote.port, local.port];
  return Buffer.from(`${words.join(" ")}\r\n`, "latin1");
}

/** Section 2.2. */
function binaryHeader(remote: SocketAddress, local: SocketAddress): Uint8Array {
  const [kind, addresses] = addressBlock(remote, local);
  const head = Buffer.from([...signature, versionAndCommand, kind, 0, 0]);
  head.writeUInt16BE(addresses.length, head.length - 2);
  return Buffer.concat([head, addresses]);
}

function addressBlock(remote: SocketAddress, local: SocketAddress): [kind: number, addresses: Buffer] {
  if (remote.family === "unix" && local.family === "unix") {
    return [transport.unixStream, Buffer.concat([unixPath(remote.path), unixPath(local.path)])];
  }
  if (remote.family === "unix" || local.family === "unix" || remote.family !== local.family) {
    return [transport.unspecified, Buffer.alloc(0)];
  }
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(remote.port, 0);
  ports.writeUInt16BE(local.port, 2);
  const hosts = [ipBytes(remote.address), ipBytes(local.address)];
  return [remote.family === "inet" ? transport.tcp4 : transport.tcp6, Buffer.concat([...hosts, ports])];
}

/** As it stands in sun_path: a name of the abstract namespace begins with a zero byte, an unnamed socket is all zero. */
function unixPath(path: string | null): Buffer {
  const field = Buffer.alloc(unixPathLength);
  field.write((path ?? "").replace(/^@/, "\0"), "utf8");
  return field;
}

function ipBytes(address: string): Buffer {
  const bytes = addressBytes(address);
  if (bytes === null) throw new Error(`${address} is no IP address`);
  return Buffer.from(bytes);
}
