/** Many TCP connections in this process, both ends of each: what the samplers of tinetd then have to look through. */
import { loadSys, type Sys } from "../../src/native/sys.ts";
import { countConnections, sampleConnections } from "../../src/net/diag.ts";
import type { BoundListener } from "../../src/net/listen.ts";

export interface Crowd extends Disposable {
  /** How long one count of who is connected to the listener takes, in nanoseconds (`listen`, `wait`). */
  count(): number;
  /** The same for what each connection has carried, and when (`idle_timeout` of `stdio`). */
  sample(): number;
  /** The same count at a listener to which nobody is connected, while all these are at another. */
  countElsewhere(): number;
}

/** @param size two descriptors for each */
export function gather(size: number): Crowd {
  const sys = loadSys();
  const listener = listenOn(sys);
  const other = listenOn(sys);
  const netlink = sys.socket("netlink", "raw", sys.constants.NETLINK_SOCK_DIAG ?? 4);
  const fds = [netlink, listener.fd, other.fd];
  for (let n = 0; n < size; n++) {
    const client = sys.socket("inet", "stream");
    fds.push(client);
    sys.connect(client, listener.address);
    const accepted = sys.accept(listener.fd);
    if (accepted === null) throw new Error("a connection on loopback was not complete at once");
    fds.push(accepted.fd);
  }
  const count = (at: BoundListener, expected: number) => () => {
    const counted = countConnections(sys, netlink, [at]);
    if (!counted.ok || counted.value[0]?.held !== expected) throw new Error("the kernel has not told of all");
  };
  return {
    count: () => duration(count(listener, size)),
    countElsewhere: () => duration(count(other, 0)),
    sample: () =>
      duration(() => {
        const samples = sampleConnections(sys, netlink, [listener]);
        if (!samples.ok || samples.value.length !== size) throw new Error("the kernel has not told of all");
      }),
    [Symbol.dispose]() {
      for (const fd of fds) sys.close(fd);
    },
  };
}

function listenOn(sys: Sys): BoundListener {
  const fd = sys.socket("inet", "stream");
  sys.bind(fd, { family: "inet", address: "127.0.0.1", port: 0 });
  sys.listen(fd, 4096);
  return {
    fd,
    kind: "tcp",
    address: sys.getsockname(fd),
    canonical: "",
    name: "crowd",
    backlog: 4096,
    node: null,
    twin: null,
    settings: null,
  };
}

function duration(work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start);
}
