/** Accepted connections as handoffs get them. */
import type { Incoming } from "../../../src/handoff/handoff.ts";
import type { SocketAddress } from "../../../src/native/sys.ts";
import type { BoundListener } from "../../../src/net/listen.ts";

export function listenerAt(
  kind: BoundListener["kind"],
  address: SocketAddress,
  canonical: string,
): BoundListener {
  return {
    fd: 20,
    kind,
    address,
    canonical,
    name: "test",
    backlog: 1,
    node: null,
    twin: null,
    settings: null,
  };
}

const local: SocketAddress = { family: "inet", address: "192.0.2.1", port: 80 };

export const overTcp: Incoming = {
  fd: 30,
  listener: listenerAt("tcp", local, "tcp://192.0.2.1:80"),
  local,
  remote: { family: "inet", address: "198.51.100.7", port: 51324 },
  credentials: null,
  id: 17,
  acceptedAt: 1_000,
};

const path: SocketAddress = { family: "unix", path: "/run/x.sock" };

export const overUnix: Incoming = {
  ...overTcp,
  listener: listenerAt("unix", path, "unix:/run/x.sock"),
  local: path,
  remote: { family: "unix", path: null },
  credentials: { pid: 812, uid: 1000, gid: 100 },
};
