/**
 * Servers that answer the same client, measured side by side: all of them run for the whole time and take turns, a few
 * hundred connections each; the order rotates. Whatever else the machine does then hits all alike, and the ratios
 * hold where the figures themselves do not.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Settings } from "./benchmark.ts";
import { firstBytes, rate } from "./clients.ts";
import { freePort, type Launch, type Server, startServer } from "./server.ts";
import { rotate } from "./turns.ts";

/** Connections for the first byte, one after the other, in one turn; fewer where that takes longer than the turn. */
export const connectionsPerTurn = 60;
/** Before each turn, uncounted: the caches are the server's own then. */
const warmUpConnections = 10;
/** Of a rate measurement. */
export const clients = 8;

export interface Contender {
  name: string;
  server: Server;
  firstByteNs: number[];
  /** Connections per second, one figure per turn. */
  rates: number[];
  errors: number;
}

/** How a server is started, given a free port and a directory of its own. */
export type Entry = (port: number, directory: string) => Omit<Launch, "errorFile">;

/** Starts a server below `parent`, which is to be stopped by the caller. */
export async function contend(name: string, parent: string, entry: Entry): Promise<Contender> {
  const directory = join(parent, name.replaceAll(/\W+/g, "-"));
  mkdirSync(directory);
  const port = await freePort();
  const server = await startServer({ ...entry(port, directory), errorFile: join(directory, "stderr") }, port);
  return { name, server, firstByteNs: [], rates: [], errors: 0 };
}

/** As many rounds as told, in which each has a turn. */
export async function contest(
  title: string,
  contenders: readonly Contender[],
  client: string,
  settings: Settings,
): Promise<void> {
  for (let round = 0; round < settings.rounds; round++) {
    settings.progress(`${title}: round ${round + 1} of ${settings.rounds}`);
    for (const contender of rotate(contenders, round)) {
      settings.interrupted.throwIfAborted();
      await takeTurn(contender, client, settings.seconds);
    }
  }
}

async function takeTurn(contender: Contender, client: string, seconds: number): Promise<void> {
  const { port } = contender.server;
  await firstBytes(client, port, warmUpConnections, seconds);
  const first = await firstBytes(client, port, connectionsPerTurn, seconds);
  const many = await rate(client, port, seconds, clients);
  contender.firstByteNs.push(...first.firstByteNs);
  contender.rates.push(many.perSecond);
  contender.errors += first.errors + many.errors;
}
