/**
 * What is right in a configuration and still better known: where tinetd can only do its best. Pure; `tinetd check`
 * prints it.
 *
 * So it is where a worker that accepts by itself is taken away from a socket that clients cannot be kept from meanwhile
 * (handoff/departure.ts). What it takes between the last look and its end is its own affair then; what still waits in
 * the kernel's queue is safe, since the daemon has the socket open as well.
 */
import type { Endpoint } from "../net/address.ts";
import { unreachable } from "../util/unreachable.ts";
import type { Config, ServiceConfig } from "./config.ts";
import { type Problem, sortProblems } from "./problem.ts";

export type Note = Pick<Problem, "position" | "message" | "hint">;

/** What the machine has to do with it. */
export interface NoteWorld {
  /** Whether whoever connects over TCP can be held off for a while (CAP_NET_ADMIN). */
  holdsOff: boolean;
}

/** In the order of the text. Of several listeners of a service with the same to be said, the first has it. */
export function notesOn({ services, files }: Config, world: NoteWorld): Note[] {
  const notes: Note[] = [];
  for (const service of services.values()) {
    const said = new Set<string>();
    for (const { endpoint, position } of service.listeners) {
      const loss = service.enabled ? lossOf(endpoint, service, world) : null;
      if (loss === null || said.has(loss.why)) continue;
      said.add(loss.why);
      notes.push({ position, message: `${service.name}: ${sentence(loss)}`, hint: loss.hint });
    }
  }
  return sortProblems(notes, files);
}

interface Loss {
  /** The key that has the worker taken away. */
  end: string;
  what: string;
  /** Why it cannot be otherwise. */
  why: string;
  hint: string | null;
}

function sentence({ end, what, why }: Loss): string {
  return `when ${end} stops a worker, ${what} after tinetd's last look can be lost: ${why}`;
}

function lossOf(endpoint: Endpoint, service: ServiceConfig, world: NoteWorld): Loss | null {
  const { handoff, maxLifetime, workers } = service;
  if (handoff !== "listen" && handoff !== "wait") return null;
  const end = endOfWorkers(service);
  if (end === null) return null;
  const lost = (what: string, why: string, hint: string | null = null) => ({ end, what, why, hint });
  const client = "a client that it accepts";
  switch (endpoint.kind) {
    case "tcp":
      return world.holdsOff
        ? null
        : lost(client, "without CAP_NET_ADMIN nobody who connects over TCP can be held off meanwhile");
    case "unix":
    case "unix-seqpacket":
      if (endpoint.path.startsWith("@")) {
        const hint = 'a path with handoff = "listen" loses nobody';
        return lost(client, "an abstract name cannot lead to another socket meanwhile", hint);
      }
      if (handoff === "wait") {
        const hint = 'handoff = "listen" loses nobody';
        return lost(client, 'with handoff = "wait" a path cannot lead to another socket meanwhile', hint);
      }
      return maxLifetime === null || workers.max === 1
        ? null
        : { ...lost(client, "a path cannot lead to another socket while other workers stay"), end: tooOld };
    case "udp":
    case "unix-dgram":
      return lost("a datagram that it reads", "datagrams cannot be held off meanwhile");
    case "fifo":
      return lost("what it reads", "who writes to a fifo cannot be held off meanwhile");
    case "systemd":
    case "fd":
      return lost(client, "only over TCP can those be held off who come to a socket that tinetd was given");
    default:
      return unreachable(endpoint);
  }
}

const tooOld = "max_lifetime";

/** The key that has workers taken away at a moment of tinetd's choice; `null` if none does. */
function endOfWorkers({
  idleTimeout,
  onIdle,
  maxFrozen,
  maxLifetime,
  workers,
}: ServiceConfig): string | null {
  if (idleTimeout !== null && workers.min === 0) {
    if (onIdle === "stop") return "idle_timeout";
    if (maxFrozen !== null) return "max_frozen";
  }
  return maxLifetime === null ? null : tooOld;
}
