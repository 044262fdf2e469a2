/** Options of a listener: on the service (`socket = { ... }`) or beside one address. */
import { z } from "zod";
import { ok } from "../../util/result.ts";
import { key, optional } from "./key.ts";
import { boolean, checkedText, integer, list, parsed, text } from "./types/basic.ts";
import { account } from "./types/names.ts";
import { multicastGroup } from "./types/network.ts";
import { octal, size } from "./types/quantities.ts";

/** Times in seconds; a missing one is the kernel's. */
export interface KeepAlive {
  idle: number | null;
  interval: number | null;
  count: number | null;
}

interface WrittenKeepAlive {
  idle?: number | undefined;
  interval?: number | undefined;
  count?: number | undefined;
}

const keepAlive = parsed<boolean | WrittenKeepAlive, KeepAlive | null>(
  z.union(
    [
      z.boolean(),
      z.strictObject({
        idle: integer(1, 32_767).optional(),
        interval: integer(1, 32_767).optional(),
        count: integer(1, 127).optional(),
      }),
    ],
    { error: () => "expected true, false or a table of idle, interval (seconds) and count" },
  ),
  (input) => {
    if (input === false) return ok(null);
    const { idle = null, interval = null, count = null } = input === true ? {} : input;
    return ok({ idle, interval, count });
  },
  (value) => {
    if (value === null) return false;
    const set = Object.entries(value).filter(([, number]) => number !== null);
    return set.length === 0 ? true : Object.fromEntries(set);
  },
);

/** sd_listen_fds(3): LISTEN_FDNAMES separates names by colons and holds no control characters. */
const descriptorName = checkedText("a name", (name) =>
  /^[^:\0-\x1f\x7f]{1,255}$/.test(name)
    ? null
    : { message: "expected a name of 1 to 255 characters without colons" },
);

const interfaceName = checkedText("the name of a network interface", (name) =>
  /^[^/\s]{1,15}$/.test(name) ? null : { message: "expected the name of a network interface" },
);

const flag = (description: string) => key(boolean, { description, default: false, example: true });

export const listenerFields = {
  name: optional(descriptorName, {
    description: "Its name in LISTEN_FDNAMES.",
    defaultText: "the service's name",
    example: "http",
    alsoCalled: ["file_descriptor_name"],
  }),
  backlog: key(integer(1, 2 ** 31 - 1), {
    description: "How many connections may wait to be accepted; net.core.somaxconn bounds it.",
    default: 4096,
    example: 128,
  }),
  mode: key(octal(4, 0o777, "0660"), {
    description: "Permission bits of a Unix socket's node: who may write may connect.",
    default: "0600",
    example: "0660",
    alsoCalled: ["socket_mode", "permissions"],
  }),
  owner: optional(account("user"), {
    description: "Owner of the node.",
    defaultText: "the daemon's user",
    example: "app",
    alsoCalled: ["user", "socket_user"],
  }),
  group: optional(account("group"), {
    description: "Group of the node.",
    defaultText: "the daemon's group",
    example: "app",
    alsoCalled: ["socket_group"],
  }),
  directory_mode: key(octal(4, 0o777, "0755"), {
    description: "Permission bits of directories that are made for the node.",
    default: "0755",
    example: "0750",
  }),
  v6only: flag("IPv6 alone on an IPv6 address, also on the one that stands for all."),
  reuse_port: flag("SO_REUSEPORT: other sockets may have the same address, the kernel spreads connections."),
  free_bind: flag("IP_FREEBIND: the address need not exist yet."),
  transparent: flag("IP_TRANSPARENT: the address need not be ours (TPROXY)."),
  device: optional(interfaceName, {
    description: "SO_BINDTODEVICE: only what comes in there.",
    example: "eth0",
  }),
  defer_accept: optional(integer(1, 3600), {
    description:
      "TCP_DEFER_ACCEPT, in seconds: wake up when the client has sent something. Not for protocols in which the server speaks first.",
    example: 5,
  }),
  no_delay: flag("TCP_NODELAY."),
  keep_alive: key(keepAlive, {
    description: "SO_KEEPALIVE, with `idle` and `interval` in seconds and `count` of probes.",
    default: false,
    example: { idle: 60, interval: 10, count: 5 },
  }),
  receive_buffer: optional(size(1), {
    description: "SO_RCVBUF.",
    defaultText: "the kernel's",
    example: "256K",
  }),
  send_buffer: optional(size(1), { description: "SO_SNDBUF.", defaultText: "the kernel's", example: "256K" }),
  mark: optional(integer(0, 2 ** 32 - 1), { description: "SO_MARK, for routing and filtering.", example: 7 }),
  priority: optional(integer(0, 2 ** 31 - 1), { description: "SO_PRIORITY.", example: 6 }),
  tos: optional(integer(0, 255), { description: "IP_TOS, or the traffic class of IPv6.", example: 16 }),
  ttl: optional(integer(1, 255), { description: "IP_TTL, or the hop limit of IPv6.", example: 1 }),
  congestion: optional(text("the name of a congestion control algorithm"), {
    description: "TCP_CONGESTION.",
    example: "bbr",
  }),
  fast_open: optional(integer(1, 65_535), { description: "TCP_FASTOPEN: length of its queue.", example: 16 }),
  broadcast: flag("SO_BROADCAST: datagrams may be sent to broadcast addresses."),
  multicast: key(list(multicastGroup, "the address of a group"), {
    description: "Multicast groups to join, with `%` and an interface where it matters which.",
    default: [],
    defaultText: "none",
    example: ["224.0.0.251"],
  }),
  packet_info: flag("IP_PKTINFO: the handler can ask for the address that a datagram was sent to."),
};
