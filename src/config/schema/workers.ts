/** Keys of a service about its workers: how many, and how they are spoken to. */

import { z } from "zod";
import { ok } from "../../util/result.ts";
import { key, optional, table } from "./key.ts";
import { integer, integerOr, parsed, words } from "./types/basic.ts";
import { connectTarget } from "./types/network.ts";

export type ProxyProtocolVersion = "v1" | "v2";

/** `false` in the file is `null` in the value: no header is sent. */
const sentVersion = parsed<false | ProxyProtocolVersion, ProxyProtocolVersion | null>(
  z.union([z.literal(false), z.enum(["v1", "v2"])], { error: () => 'expected false, "v1" or "v2"' }),
  (input) => ok(input === false ? null : input),
  (value) => value ?? false,
);

export const workerKeys = {
  workers: table(
    {
      min: key(integer(0, 10_000), {
        description: "So many are kept running also when nobody is connected.",
        default: 0,
        example: 1,
      }),
      max: key(integer(1, 10_000), {
        description: "So many may run at the same time.",
        default: 1,
        example: 4,
      }),
      connections: key(integerOr("unlimited", 1), {
        description: "Open connections that one worker is given at the same time.",
        default: "unlimited",
        example: 200,
      }),
      max_served: key(integerOr("unlimited", 1), {
        description: "A worker that has been given so many connections in its life is replaced.",
        default: "unlimited",
        example: 100_000,
      }),
    },
    {
      description: "How many workers run, and how much each is given.",
      example: { min: 0, max: 4, connections: 200 },
    },
  ),
  protocol: key(words("seqpacket", "node"), {
    description:
      "How connections travel to a worker of `pass`: `seqpacket` is a message with the descriptor on a Unix socket, " +
      "`node` is the IPC channel of Node.js.",
    default: "seqpacket",
    example: "node",
  }),
  upstream: optional(connectTarget, {
    description: "Where the daemon behind `proxy` listens.",
    example: "unix:/run/cache/redis.sock",
    alsoCalled: ["redirect", "target", "backend"],
  }),
  upstream_proxy_protocol: key(sentVersion, {
    description:
      "Whether the daemon behind `proxy` is told the client's address in a PROXY protocol header, and in which version.",
    default: false,
    example: "v2",
  }),
  connection_fd: key(connectionFd(), {
    description:
      "The descriptor of a `stdio` handler's connection. 0: standard input and output. 3: as systemd's Accept=yes, " +
      "with LISTEN_FDS=1 and LISTEN_FDNAMES=connection.",
    default: 0,
    example: 3,
  }),
  listen_pid: key(words("exec", "omit"), {
    description: "LISTEN_PID: the pid of the executed command, or left out for commands that are wrappers.",
    default: "exec",
    example: "omit",
  }),
};

function connectionFd(): z.ZodType<0 | 3> {
  return z.union([z.literal(0), z.literal(3)], { error: () => "expected 0 or 3" });
}
