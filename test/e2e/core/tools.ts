/** What the tests of the core share: the usual daemon with one service, and what no event tells of a process. */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { type RigOptions, startDaemon } from "../rig/daemon.ts";
import type { Need } from "../rig/needs.ts";
import { descendantsOf, eventually } from "../rig/proc.ts";
import type { Rig } from "../rig/rig.ts";

/**
 * A daemon whose service `fixture` starts the fixture handler on a free port of loopback.
 * @param keys further keys of the service, and tables after it
 */
export function startFixture(keys = "", options: RigOptions = {}): Promise<Rig> {
  return startDaemon(
    ({ fixture }) => `
[services.fixture]
listen  = "127.0.0.1:0"
command = "${fixture("handler")}"
${keys}
`,
    options,
  );
}

/** The status of the service, or of the only one. */
export async function statusOf(rig: Rig, service?: string) {
  const { services } = await rig.status();
  const found = services.find(({ name }) => service === undefined || name === service);
  if (found === undefined) throw new Error(`there is no service ${service}`);
  return found;
}

/** Needs IPv6 on loopback. */
export const ipv6: Need = () => {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.some(({ address }) => address === "::1") ? null : "IPv6 on loopback";
};

/** Processor time that the process has used, user and system, in ticks of 10 ms (proc_pid_stat(5), 14 and 15). */
export function processorTicks(pid: number): number {
  const fields = statFields(pid);
  return Number(fields[11]) + Number(fields[12]);
}

/** Children of `pid`, and theirs, that have ended and that nobody has reaped. */
export function zombiesOf(pid: number): number[] {
  return descendantsOf(pid).filter((child) => {
    try {
      return statFields(child)[0] === "Z";
    } catch {
      return false; // Reaped since.
    }
  });
}

/** Waits until the daemon has as many descriptors as it had: it closes its end of a connection after the client. */
export async function descriptorsAreBack(rig: Rig, before: number): Promise<void> {
  await eventually(`${before} descriptors again`, () => rig.descriptors() === before);
}

/** Runs `work` as often as told, so many at a time. */
export async function repeat(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const loop = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      await work(index);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, loop));
}

/** The fields after the name, from the state on. */
function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
