/**
 * What may be declared about one listener: the listener options of inetd.toml in camel case, times in seconds as the
 * kernel counts them, sizes in bytes. What is `null` or absent keeps the kernel's default, and so does `false`. The
 * configuration layer's type is assignable to this one.
 */
export interface ListenerOptions {
  /** For LISTEN_FDNAMES and `status`. */
  name: string;
  /** Length of the queue of connections that nobody has accepted yet; the kernel caps it at net.core.somaxconn. */
  backlog: number;

  /** Permissions of a Unix node or FIFO; 0600 when absent. */
  mode?: number | null;
  /** User and group it shall belong to, by name or number. */
  owner?: string | null;
  group?: string | null;
  /** Permissions of missing parent directories, which are made; 0755 when absent. */
  directoryMode?: number | null;

  v6only?: boolean | null;
  reusePort?: boolean | null;
  /** May be bound to addresses that the machine does not have, or not yet. */
  freeBind?: boolean | null;
  transparent?: boolean | null;
  /** The network interface that it listens on alone. */
  device?: string | null;

  /** For how long the kernel keeps a connection to itself while its client has sent nothing; seconds. */
  deferAccept?: number | null;
  noDelay?: boolean | null;
  /** An object without probe times asks for the system's. */
  keepAlive?: KeepAlive | null;
  congestion?: string | null;
  /** How many pending clients may have sent data in their SYN; of effect where net.ipv4.tcp_fastopen has bit 2. */
  fastOpen?: number | null;

  receiveBuffer?: number | null;
  sendBuffer?: number | null;
  mark?: number | null;
  priority?: number | null;
  tos?: number | null;
  ttl?: number | null;

  broadcast?: boolean | null;
  /** Groups to join: `224.0.0.251`, `ff02::fb`, with an interface as `ff02::fb%eth0`. */
  multicast?: readonly string[] | null;
  /** Whether receivers are told the local address of each datagram. */
  packetInfo?: boolean | null;
}

/** When TCP asks an idle peer whether it is still there: times in seconds, `null` or absent for the system's. */
export interface KeepAlive {
  idle?: number | null;
  interval?: number | null;
  count?: number | null;
}
