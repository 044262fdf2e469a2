/** What the tests of `wait` and `listen` share: a daemon with one service, and how its starts are counted. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Place, type RigOptions, startDaemon } from "../rig/daemon.ts";
import type { Rig } from "../rig/rig.ts";

export interface AcceptorOptions extends RigOptions {
  handoff: "wait" | "listen";
  /** What stands in `listen`: an address, or TOML where it begins with a bracket. */
  listen: string | ((directory: string) => string);
  /** After so many clients a handler ends by itself. Default: never. */
  clients?: number;
  /** Further keys of the service. */
  keys?: string;
}

/** A daemon whose service `it` hands its sockets to the fixture `acceptor`. */
export function startAcceptor(options: AcceptorOptions): Promise<Rig> {
  const { clients } = options;
  const words = clients === undefined ? "" : `, "${clients}"`;
  return startDaemon((place) => service(options, place, `["${place.fixture("acceptor")}"${words}]`), options);
}

/** A service whose handlers are out of order, by exiting at once, until they are mended. */
export interface Faulty {
  rig: Rig;
  mend(): void;
  /** Out of order again. */
  spoil(): void;
}

/** The same, but as long as it is out of order the handlers take nothing from the socket. */
export async function startFaulty(options: AcceptorOptions): Promise<Faulty> {
  const rig = await startDaemon((place) => {
    const script = join(place.directory, "faulty");
    const fault = join(place.directory, "fault");
    writeFileSync(fault, "");
    writeFileSync(
      script,
      `#!/bin/sh\n[ -e ${fault} ] && exit 0\nexec ${place.fixture("acceptor")} ${options.clients ?? ""}\n`,
      { mode: 0o755 },
    );
    return service(options, place, `"${script}"`);
  }, options);
  const fault = join(rig.directory, "fault");
  return {
    rig,
    mend: () => rmSync(fault),
    spoil: () => writeFileSync(fault, ""),
  };
}

/** How many handlers have been started so far: asked of the daemon, since log lines may still be on their way to us. */
export async function starts(rig: Rig): Promise<number> {
  const { services } = await rig.status();
  return services.reduce((sum, { spawned }) => sum + spawned, 0);
}

export async function startFailures(rig: Rig): Promise<number> {
  const { services } = await rig.status();
  const [first] = services;
  if (first === undefined) throw new Error("there is no service");
  return first.start_failures;
}

/**
 * Waits until the service has no handler, and so has looked at its sockets again: a connection has the options that the
 * listener had when the client knocked.
 */
export async function noHandlerLeft(rig: Rig): Promise<void> {
  for (;;) {
    const { services } = await rig.status();
    if (services.every(({ handlers }) => handlers.length === 0)) return;
  }
}

function service({ handoff, listen, keys = "" }: AcceptorOptions, place: Place, command: string): string {
  const address = typeof listen === "string" ? listen : listen(place.directory);
  return `
[services.it]
handoff = "${handoff}"
listen  = ${address.startsWith("[") || address.startsWith("{") ? address : `"${address}"`}
command = ${command}
${keys}
`;
}

/** The port of the first listener whose address begins with `scheme` (`tcp:`). */
export async function portOf(rig: Rig, scheme: string): Promise<number> {
  const { address } = await rig.event("service.listening", (event) => event.address.startsWith(scheme));
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
