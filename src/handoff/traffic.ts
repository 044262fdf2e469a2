/** What went through the hands of tinetd for one connection, counted from the client's side: `in` is what it sent. */

export interface Traffic {
  bytesIn: number;
  bytesOut: number;
  datagramsIn: number;
  datagramsOut: number;
  /** In either direction: the handler's queue was full, or the network would not take it. */
  datagramsDropped: number;
}

export function newTraffic(): Traffic {
  return { bytesIn: 0, bytesOut: 0, datagramsIn: 0, datagramsOut: 0, datagramsDropped: 0 };
}

/** As the events name it. */
export function describeTraffic(traffic: Readonly<Traffic>) {
  return {
    bytes_in: traffic.bytesIn,
    bytes_out: traffic.bytesOut,
    datagrams_in: traffic.datagramsIn,
    datagrams_out: traffic.datagramsOut,
    datagrams_dropped: traffic.datagramsDropped,
  };
}
