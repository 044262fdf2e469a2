/**
 * Opens what a service declares to listen on: one declared address, and with a host's name or a unit's name the several
 * sockets that it stands for.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { SocketAddress, Sys } from "../native/sys.ts";
import { err, type Result } from "../util/result.ts";
import { unreachable } from "../util/unreachable.ts";
import { type Endpoint, formatEndpoint, type InternetEndpoint } from "./address.ts";
import { findInherited, type InheritedSocket, type Wanted } from "./adopt.ts";
import { openFifo } from "./fifo.ts";
import { bindInet } from "./inet.ts";
import { takesConnections } from "./kind.ts";
import type { BoundListener } from "./listener.ts";
import { adoptStep, type BindFailure, bindStep, explain, openAll, type Step } from "./opening.ts";
import type { ListenerOptions } from "./options.ts";
import { type Resolved, type Resolver, resolveEndpoint, systemResolver } from "./resolve.ts";
import { bindPair } from "./twin.ts";
import { bindUnix } from "./unix.ts";

export { type BoundListener, carryListener, closeListener, repairListener } from "./listener.ts";
export type { BindFailure } from "./opening.ts";

/** One declared address. */
export interface ListenerSpec {
  endpoint: Endpoint;
  options: ListenerOptions;
}

/** What is not the same in every process. */
export interface ListenWorld {
  /** Default: this machine's. */
  resolver?: Resolver;
  /** Sockets this daemon was given; one that is wanted leaves the list. Default: none. */
  inherited?: InheritedSocket[];
  /** Whether Unix sockets that take connections at a path get a twin (`twin.ts`). Default: they do not. */
  twins?: boolean;
}

/** Two daemons that start at once wait for each other's node this often, this long each. */
const busyTries = 50;
const busyPauseMs = 20;

/** How often another free port is tried when a host's addresses cannot have the same one. */
const freePortTries = 10;

/**
 * Binds one declared address: all of the sockets that it stands for, or none. A socket this daemon was given that is
 * bound there already is taken instead of a new one.
 * @returns at least one listener, each owned by the caller (`closeListener`)
 */
export async function openListener(
  sys: Sys,
  { endpoint, options }: ListenerSpec,
  { resolver = systemResolver(sys), inherited = [], twins = false }: ListenWorld = {},
): Promise<Result<BoundListener[], BindFailure>> {
  switch (endpoint.kind) {
    case "tcp":
    case "udp":
      return openInternet(sys, endpoint, options, resolver, inherited);
    case "unix":
    case "unix-dgram":
    case "unix-seqpacket":
    case "fifo":
      return openLocal(sys, endpoint, options, inherited, twins);
    case "systemd":
      return openGiven(sys, endpoint, { name: endpoint.name }, options, inherited);
    case "fd":
      return openGiven(sys, endpoint, { fd: endpoint.fd }, options, inherited);
    default:
      return unreachable(endpoint);
  }
}

async function openInternet(
  sys: Sys,
  endpoint: InternetEndpoint,
  options: ListenerOptions,
  resolver: Resolver,
  inherited: InheritedSocket[],
): Promise<Result<BoundListener[], BindFailure>> {
  const resolved = await resolveEndpoint(endpoint, resolver);
  if (!resolved.ok) return refused(endpoint, resolved.error);
  const steps = resolved.value.map(
    (place): Step =>
      (opened) => {
        const address = withPortOf(opened[0]?.listener, place.address);
        const v6only = place.v6only || (options.v6only ?? false);
        const [given] = findInherited(inherited, { kind: endpoint.kind, address, v6only });
        if (given !== undefined) return adoptStep(sys, inherited, given, options);
        return bindStep(endpoint.kind, address, bindInet(sys, endpoint.kind, { address, v6only }, options));
      },
  );
  for (let attempt = 1; ; attempt++) {
    const opened = openAll(sys, steps, inherited);
    if (opened.ok) return opened;
    // A free port was free for the first address alone.
    const mayMove = endpoint.port === 0 && opened.error.failure.code === "EADDRINUSE";
    if (!mayMove || attempt >= freePortTries) return explain(opened.error);
  }
}

/** Where port 0 is declared for a host, all of its addresses get the port that the first one took. */
function withPortOf(first: BoundListener | undefined, address: Resolved["address"]): Resolved["address"] {
  if (address.port !== 0 || first === undefined || first.address.family === "unix") return address;
  return { ...address, port: first.address.port };
}

async function openLocal(
  sys: Sys,
  { kind, path }: Extract<Endpoint, { path: string }>,
  options: ListenerOptions,
  inherited: InheritedSocket[],
  twins: boolean,
): Promise<Result<BoundListener[], BindFailure>> {
  const address: SocketAddress = { family: "unix", path };
  const bind = twins && takesConnections(kind) && !path.startsWith("@") ? bindPair : bindUnix;
  const step: Step = () => {
    const [given] = findInherited(inherited, { kind, address, v6only: false });
    if (given !== undefined) return adoptStep(sys, inherited, given, options);
    const bound = kind === "fifo" ? openFifo(sys, path, options) : bind(sys, kind, path, options);
    return bindStep(kind, address, bound);
  };
  for (let attempt = 1; ; attempt++) {
    const opened = openAll(sys, [step], inherited);
    if (opened.ok) return opened;
    if (!opened.error.failure.busy || attempt >= busyTries) return explain(opened.error);
    await delay(busyPauseMs);
  }
}

async function openGiven(
  sys: Sys,
  endpoint: Endpoint,
  wanted: Wanted,
  options: ListenerOptions,
  inherited: InheritedSocket[],
): Promise<Result<BoundListener[], BindFailure>> {
  const given = findInherited(inherited, wanted);
  if (given.length === 0) return refused(endpoint, "this daemon was not given such a socket");
  const steps = given.map(
    (socket): Step =>
      () =>
        adoptStep(sys, inherited, socket, options),
  );
  const opened = openAll(sys, steps, inherited);
  return opened.ok ? opened : explain(opened.error);
}

function refused(endpoint: Endpoint, reason: string): Result<never, BindFailure> {
  return err({ address: formatEndpoint(endpoint), reason, code: null, pid: null });
}
