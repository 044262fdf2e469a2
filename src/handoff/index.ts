/** The table of handoffs. */
import type { ServiceConfig } from "../config/config.ts";
import type { Handoff, HandoffHost } from "./handoff.ts";
import { createListen } from "./listen.ts";
import { createPass } from "./pass.ts";
import { createProxy } from "./proxy.ts";
import { createStdio } from "./stdio.ts";
import { createUdpRelay } from "./stdio-udp.ts";
import { createWait } from "./wait.ts";

type HandoffName = ServiceConfig["handoff"];

const handoffs: Partial<Record<HandoffName, (host: HandoffHost) => Handoff>> = {
  stdio: (host) => createStdio(host, createUdpRelay(host)),
  wait: createWait,
  listen: createListen,
  pass: createPass,
  proxy: createProxy,
};

/** The configuration has refused what is not in the table. */
export function createHandoff(name: HandoffName, host: HandoffHost): Handoff {
  const create = handoffs[name];
  if (create === undefined) throw new Error(`handoff "${name}" is not available yet`);
  return create(host);
}
