/** Rows as the addon gives them, from objects that say only what matters. */
import type { InetDiagRows, UnixDiagRows } from "../../../src/native/diag.ts";
import { addressBytes } from "../../../src/net/prefix.ts";
import { type TcpState, tcpStates } from "../../../src/net/tcp-state.ts";

export interface Inet {
  cookie: number;
  state: TcpState;
  local: [address: string, port: number];
  remote?: [address: string, port: number];
  /** 0: no process has it. */
  inode?: number;
  interfaceIndex?: number;
  receiveQueue?: number;
  sendQueue?: number;
  bytesSent?: number;
  bytesReceived?: number;
  lastDataSentMs?: number;
  lastDataReceivedMs?: number;
}

export function inetRows(sockets: readonly Inet[]): InetDiagRows {
  const numbers = (value: (socket: Inet) => number | undefined) =>
    sockets.map((socket) => value(socket) ?? 0);
  const addresses = (value: (socket: Inet) => string | undefined) =>
    new Uint8Array(sockets.flatMap((socket) => padded(value(socket) ?? "0.0.0.0")));
  return {
    count: sockets.length,
    inconsistent: false,
    cookie: new BigUint64Array(sockets.map(({ cookie }) => BigInt(cookie))),
    state: new Uint8Array(numbers(({ state }) => tcpStates.indexOf(state))),
    inode: new Uint32Array(numbers(({ inode }) => inode)),
    receiveQueue: new Uint32Array(numbers(({ receiveQueue }) => receiveQueue)),
    sendQueue: new Uint32Array(numbers(({ sendQueue }) => sendQueue)),
    family: new Uint8Array(numbers(({ local }) => (local[0].includes(":") ? 10 : 2))),
    localPort: new Uint16Array(numbers(({ local }) => local[1])),
    remotePort: new Uint16Array(numbers(({ remote }) => remote?.[1])),
    localAddress: addresses(({ local }) => local[0]),
    remoteAddress: addresses(({ remote }) => remote?.[0]),
    interfaceIndex: new Uint32Array(numbers(({ interfaceIndex }) => interfaceIndex)),
    uid: new Uint32Array(sockets.length),
    bytesSent: new Float64Array(numbers(({ bytesSent }) => bytesSent)),
    bytesAcked: new Float64Array(sockets.length),
    bytesReceived: new Float64Array(numbers(({ bytesReceived }) => bytesReceived)),
    lastDataSentMs: new Uint32Array(numbers(({ lastDataSentMs }) => lastDataSentMs)),
    lastDataReceivedMs: new Uint32Array(numbers(({ lastDataReceivedMs }) => lastDataReceivedMs)),
  };
}

function padded(address: string): number[] {
  const bytes = addressBytes(address) ?? [];
  return [...bytes, ...Array(16 - bytes.length).fill(0)];
}

export interface Unix {
  cookie: number;
  state: TcpState;
  name?: string;
  /** Inode and device. */
  node?: [number, number];
  receiveQueue?: number;
  /** Of a listener: the inodes in its queue. */
  pending?: number[];
}

export function unixRows(sockets: readonly Unix[]): UnixDiagRows {
  const numbers = (value: (socket: Unix, n: number) => number | undefined) =>
    sockets.map((socket, n) => value(socket, n) ?? 0);
  const pending = sockets.map((socket) => socket.pending ?? []);
  return {
    count: sockets.length,
    inconsistent: false,
    cookie: new BigUint64Array(sockets.map(({ cookie }) => BigInt(cookie))),
    state: new Uint8Array(numbers(({ state }) => tcpStates.indexOf(state))),
    inode: new Uint32Array(numbers((_, n) => 1000 + n)),
    receiveQueue: new Uint32Array(numbers(({ receiveQueue }) => receiveQueue)),
    sendQueue: new Uint32Array(sockets.length),
    type: new Uint8Array(sockets.length).fill(1),
    name: sockets.map(({ name }) => name ?? null),
    hasNode: new Uint8Array(numbers(({ node }) => (node === undefined ? 0 : 1))),
    nodeInode: new Uint32Array(numbers(({ node }) => node?.[0])),
    nodeDevice: new Uint32Array(numbers(({ node }) => node?.[1])),
    peerInode: new Uint32Array(sockets.length),
    pendingStart: new Uint32Array(numbers((_, n) => pending.slice(0, n).flat().length)),
    pendingCount: new Uint32Array(numbers((_, n) => pending[n]?.length)),
    pending: new Uint32Array(pending.flat()),
  };
}
