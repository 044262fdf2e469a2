/** Opening the several sockets of one declared address: all of them, or none; and what to say when one fails. */
import type { SocketAddress, Sys } from "../native/sys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { formatSocketAddress } from "./address.ts";
import type { InheritedSocket } from "./adopt.ts";
import { adoptSocket } from "./adopted.ts";
import type { OpenFailure } from "./failure.ts";
import { holderOf } from "./holder.ts";
import type { ListenerKind } from "./kind.ts";
import { type BoundListener, closeListener } from "./listener.ts";
import type { ListenerOptions } from "./options.ts";

/** Why a declared address could not be bound. */
export interface BindFailure {
  /** What could not be bound, in canonical form. */
  address: string;
  /** A phrase: `address in use by pid 812`. */
  reason: string;
  /** The errno's name, where it was the kernel that refused. */
  code: string | null;
  /** Who holds the address, where that could be found out. */
  pid: number | null;
}

/** A listener, and the socket it was made of if this daemon was given one. */
export interface Opened {
  listener: BoundListener;
  given: InheritedSocket | null;
}

export interface Refusal {
  kind: ListenerKind;
  address: SocketAddress;
  failure: OpenFailure;
}

/** Opens one socket, knowing those that were opened before it. */
export type Step = (opened: readonly Opened[]) => Result<Opened, Refusal>;

/** Takes all steps, or undoes those that were taken: sockets we were given go back to the list. */
export function openAll(
  sys: Sys,
  steps: readonly Step[],
  inherited: InheritedSocket[],
): Result<BoundListener[], Refusal> {
  const opened: Opened[] = [];
  for (const step of steps) {
    const next = step(opened);
    if (next.ok) {
      opened.push(next.value);
      continue;
    }
    for (const { listener, given } of opened) {
      if (given === null) closeListener(sys, listener);
      else inherited.push(given);
    }
    return next;
  }
  return ok(opened.map(({ listener }) => listener));
}

/** Makes a listener of a socket in the list, and takes it out. */
export function adoptStep(
  sys: Sys,
  inherited: InheritedSocket[],
  given: InheritedSocket,
  options: ListenerOptions,
): Result<Opened, Refusal> {
  const adopted = adoptSocket(sys, given, options);
  if (!adopted.ok) return err({ kind: given.kind, address: given.address, failure: adopted.error });
  inherited.splice(inherited.indexOf(given), 1);
  return ok({ listener: adopted.value, given });
}

export function bindStep(
  kind: ListenerKind,
  address: SocketAddress,
  bound: Result<BoundListener, OpenFailure>,
): Result<Opened, Refusal> {
  return bound.ok ? ok({ listener: bound.value, given: null }) : err({ kind, address, failure: bound.error });
}

/** The failure in full; looks for the process that holds an address in use. */
export async function explain({ kind, address, failure }: Refusal): Promise<Result<never, BindFailure>> {
  const { code, reason } = failure;
  const unknown = code === "EADDRINUSE" && failure.pid === null && !failure.busy;
  const pid = unknown ? await holderOf(kind, address) : failure.pid;
  const by = pid === null ? "" : ` by pid ${pid}`;
  return err({ address: formatSocketAddress(kind, address), reason: `${reason}${by}`, code, pid });
}
