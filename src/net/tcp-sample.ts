/** One row of sock_diag(7), with its tcp_info, as a sample of a connection. Pure. */
import type { InetDiagRows } from "../native/diag.ts";
import type { SocketAddress } from "../native/sys.ts";
import { formatPrefix } from "./prefix.ts";
import type { TcpSample } from "./sample.ts";
import { type TcpState, tcpStates } from "./tcp-state.ts";

export function tcpSampleAt(rows: InetDiagRows, n: number): TcpSample {
  const state = tcpStates[rows.state[n] ?? 0] ?? "none";
  return {
    cookie: `${rows.cookie[n]}`,
    state,
    held: rows.inode[n] !== 0,
    local: addressAt(rows, n, rows.localAddress, rows.localPort),
    remote: addressAt(rows, n, rows.remoteAddress, rows.remotePort),
    bytesSent: rows.bytesSent[n] ?? 0,
    bytesReceived: (rows.bytesReceived[n] ?? 0) - (peerHasFinished.has(state) ? 1 : 0),
    idleMs: Math.min(rows.lastDataSentMs[n] ?? 0, rows.lastDataReceivedMs[n] ?? 0),
    receiveQueue: rows.receiveQueue[n] ?? 0,
    sendQueue: rows.sendQueue[n] ?? 0,
  };
}

/** The states in which a FIN has come, which the kernel counts as a byte. */
const peerHasFinished: ReadonlySet<TcpState> = new Set(["close-wait", "closing", "last-ack"]);

/** AF_INET is 2 on every Linux. */
const afInet = 2;

/** Without needless copies: there may be thousands at once. */
function addressAt(rows: InetDiagRows, n: number, addresses: Uint8Array, ports: Uint16Array): SocketAddress {
  const at = n * 16;
  const port = ports[n] ?? 0;
  if (rows.family[n] === afInet) return { family: "inet", address: dotted(addresses, at), port };
  if (isMapped(addresses, at)) return { family: "inet", address: dotted(addresses, at + 12), port };
  const bytes = [...addresses.subarray(at, at + 16)];
  const linkLocal = bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;
  const scope = linkLocal ? (rows.interfaceIndex[n] ?? 0) : 0;
  return { family: "inet6", address: formatPrefix({ family: 6, bytes, bits: 128 }), port, scope };
}

function dotted(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** ::ffff:0:0/96 (RFC 4291 section 2.5.5.2). */
function isMapped(bytes: Uint8Array, at: number): boolean {
  for (let index = 0; index < 12; index++) {
    if (bytes[at + index] !== (index < 10 ? 0 : 0xff)) return false;
  }
  return true;
}
