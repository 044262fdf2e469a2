/**
 * What sock_diag(7) tells, in columns: position n of each is about the n-th socket (of the addresses, the 16 bytes from
 * 16 n on). Thousands of sockets are so a handful of typed arrays; whoever needs a socket as an object makes it.
 */

interface DiagRows {
  readonly count: number;
  /** What was told is not all there is, or not of one moment (NLM_F_DUMP_INTR, ENOBUFS): ask again. */
  readonly inconsistent: boolean;
  /** SO_COOKIE: what `socketCookie` writes in decimal. */
  readonly cookie: BigUint64Array;
  /** TCP_* of the constants. */
  readonly state: Uint8Array;
  /** 0: no process holds the socket. It is in a listener's queue, or its process is gone and TCP still at work. */
  readonly inode: Uint32Array;
  /** Bytes to be read; of a listener, how many connections are in its queue. */
  readonly receiveQueue: Uint32Array;
  /** Bytes not yet acknowledged (TCP), or not yet read by the peer; of a listener, its backlog. */
  readonly sendQueue: Uint32Array;
}

/** TCP and UDP sockets (linux/inet_diag.h). The columns from tcp_info are 0 where it was not asked for. */
export interface InetDiagRows extends DiagRows {
  /** AF_INET or AF_INET6. IPv4 connections of an IPv6 listener are AF_INET6, with mapped addresses. */
  readonly family: Uint8Array;
  readonly localPort: Uint16Array;
  readonly remotePort: Uint16Array;
  /** 16 bytes each; of IPv4, the first 4. */
  readonly localAddress: Uint8Array;
  readonly remoteAddress: Uint8Array;
  /** Of the interface that the socket is bound to; 0 if it is to none. */
  readonly interfaceIndex: Uint32Array;
  readonly uid: Uint32Array;
  /** Payload handed to the network, each byte once. Float64: exact up to 2^53. */
  readonly bytesSent: Float64Array;
  /** Payload that the peer has acknowledged, and one for a FIN that it has. */
  readonly bytesAcked: Float64Array;
  /** Payload received in order, and one for the peer's FIN. */
  readonly bytesReceived: Float64Array;
  /** Since payload was last sent or received, or since the connection was made if none was. */
  readonly lastDataSentMs: Uint32Array;
  readonly lastDataReceivedMs: Uint32Array;
}

/** Unix sockets (linux/unix_diag.h); their states are TCP's too. Sockets in a queue are not among them. */
export interface UnixDiagRows extends DiagRows {
  /** SOCK_STREAM ... */
  readonly type: Uint8Array;
  /** Where the socket was bound, as `getsockname` tells; accepted sockets have their listener's. */
  readonly name: readonly (string | null)[];
  /** Whether it was bound to a node, with the inode and device by the kernel's numbers, which are not stat(2)'s. */
  readonly hasNode: Uint8Array;
  readonly nodeInode: Uint32Array;
  readonly nodeDevice: Uint32Array;
  /** 0: not connected, or the peer's process is gone. */
  readonly peerInode: Uint32Array;
  /** Of a listener: `pendingCount` entries of `pending` from `pendingStart` on. */
  readonly pendingStart: Uint32Array;
  readonly pendingCount: Uint32Array;
  /** The inodes of the clients that are in a queue; 0 for one that has closed its end. */
  readonly pending: Uint32Array;
}
