/** The C client (`c/client.c`) as the benchmarks use it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface FirstBytes {
  /** From before `connect` until the first byte was read, for each connection without an error. */
  firstByteNs: number[];
  /** Connections that did not yield the answer and an orderly end. */
  errors: number;
}

/** `count` connections, one after the other; fewer where that takes longer than `seconds`. */
export async function firstBytes(
  client: string,
  port: number,
  count: number,
  seconds: number,
): Promise<FirstBytes> {
  return (await ask(client, port, "first", count, seconds)) as FirstBytes;
}

/** One connection to each port, each `pauseMs` after the end of the one before. */
export async function wakes(client: string, ports: readonly number[], pauseMs: number): Promise<FirstBytes> {
  return (await ask(client, "wake", pauseMs, ...ports)) as FirstBytes;
}

/** What `clients` of them, each with one connection at a time, get through. */
export async function rate(
  client: string,
  port: number,
  seconds: number,
  clients: number,
): Promise<{ perSecond: number; errors: number }> {
  const answer = (await ask(client, port, "rate", seconds, clients)) as {
    connections: number;
    errors: number;
  };
  return { perSecond: answer.connections / seconds, errors: answer.errors };
}

/** So many connections a second, begun at a steady pace. */
export async function pace(
  client: string,
  port: number,
  seconds: number,
  perSecond: number,
): Promise<{ perSecond: number; errors: number }> {
  const answer = (await ask(client, port, "pace", seconds, perSecond)) as {
    connections: number;
    errors: number;
  };
  return { perSecond: answer.connections / seconds, errors: answer.errors };
}

async function ask(client: string, ...args: readonly (string | number)[]): Promise<unknown> {
  return JSON.parse((await run(client, args.map(String))).stdout);
}
